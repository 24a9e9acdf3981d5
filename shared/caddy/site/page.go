package site

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"unicode"
)

//go:embed page.html
var pageText string

// pageHTML is made when somebody looks at a page.
var pageHTML = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })

// Page is what the edge itself answers, by the handler [HandlerNotice].
type Page struct {
	Status     int    `json:"status,omitempty"`      // 0 for that of the error being answered
	Title      string `json:"title"`                 // a few words
	Message    string `json:"message"`               // a sentence
	Detail     string `json:"detail,omitempty"`      // the cause as the platform knows it; may be empty
	RetryAfter int    `json:"retry_after,omitempty"` // seconds; 0 where trying again is of no use
}

// retryAfter is soon, because a service that comes up does so in seconds.
const retryAfter = 2

func closed(s Site) Page {
	return Page{
		Status: http.StatusServiceUnavailable, Title: s.Name + " is not available", RetryAfter: retryAfter,
		Message: "The service is known here, but it does not take requests at the moment.", Detail: s.Reason,
	}
}

func silent(s Site) Page {
	return Page{
		Title: s.Name + " does not answer", RetryAfter: retryAfter,
		Message: "The service is running, but it could not be reached for this request.",
	}
}

func notFound() Page {
	return Page{
		Status: http.StatusNotFound, Title: "Nothing here",
		Message: "No service of this node answers for this host and path.",
	}
}

// HTML is the page for people.
func (p Page) HTML() string {
	var b bytes.Buffer
	if err := pageHTML().Execute(&b, p); err != nil {
		return p.Text() // a buffer and these fields cannot fail
	}
	return b.String()
}

// Text is the page for programs.
func (p Page) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", oneLine(p.Title), p.Message)
	if p.Detail != "" {
		fmt.Fprintf(&b, "State: %s\n", oneLine(p.Detail))
	}
	return b.String()
}

// oneLine keeps what came from elsewhere from looking like more than one line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// Literal escapes text so that Caddy finds no placeholder in it.
func Literal(text string) string { return placeholders.Replace(text) }

var placeholders = strings.NewReplacer("{", `\{`, "}", `\}`)
