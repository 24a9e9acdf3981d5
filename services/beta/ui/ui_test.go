package ui

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"core.internal/services/beta/process"
)

func TestHandler(t *testing.T) {
	h := Handler(func() process.Counts {
		return process.Counts{Series: time.Unix(0, 0), Names: map[string]int{"Ada": 3, "<b>\x1b[2J": 1}}
	})
	get := func(accept string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Body.String()
	}
	page := get("text/html,*/*")
	for _, want := range []string{"<dd>4</dd>", "&lt;b&gt;", `<th scope="row">Ada</th><td class="right num">3</td>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	text := get("*/*")
	if !strings.Contains(text, "Ada      3\n") || strings.Contains(text, "\x1b") {
		t.Errorf("as text:\n%q", text)
	}
}
