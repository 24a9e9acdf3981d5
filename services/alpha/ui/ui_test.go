package ui

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"core.internal/services/alpha/process"
)

func TestHandler(t *testing.T) {
	count := process.Count{Series: time.Unix(0, 0), Total: 4, Names: map[string]int{"Ada": 3, "<img src=x>": 1}}
	h := Handler(func() process.Count { return count })
	get := func(path, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	w := get("/", "text/html,*/*")
	page := w.Body.String()
	for _, want := range []string{"<dd>4</dd>", "&lt;img src=x&gt;", `<th scope="row">Ada</th><td class="right num">3</td>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	if strings.Contains(page, "<img src=x") || w.Header().Get("Content-Security-Policy") == "" {
		t.Error("the page lets a name do something")
	}
	css := page[strings.Index(page, `stylesheet" href="`)+len(`stylesheet" href="`):]
	css = css[:strings.IndexByte(css, '"')]
	if w := get(css, "text/css"); w.Code != 200 {
		t.Errorf("GET %s: %d", css, w.Code)
	}
	want := "NAME         GREETINGS\nAda          3\n<img src=x>  1\n             \nTotal        4\n"
	if got := get("/", "*/*").Body.String(); got != want {
		t.Errorf("as text:\n%q\nwant\n%q", got, want)
	}
	count = process.Count{}
	if page := get("/", "text/html").Body.String(); !strings.Contains(page, "Nobody yet") {
		t.Errorf("an empty count:\n%s", page)
	}
}
