// Package page holds what every web page of the platform is made of: the
// stylesheet, the icon, the layout template, files under names that never
// change their content, and the headers that keep a page to itself. It links
// nothing but the standard library, so that a small service can use it for the
// page that shows its own state.
//
// # Usage
//
//	files, err := page.NewFiles("/assets/", page.Assets())
//	tmpl, err := page.Parse(files, nil, `{{define "body"}}<h1>{{.Data}}</h1>{{end}}`)
//	mux.Handle("GET /assets/", files)
//	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
//		page.Write(w, tmpl, http.StatusOK, page.View{Title: "alpha", Data: state})
//	})
//	handler := page.Secure(page.Policy{}, mux)
//
// A template defines "body" and may define "scripts", which stands in the head.
//
// # Concurrency
//
// [Files] and parsed templates may be used by several goroutines.
//
// # Testing
//
// Everything is an [http.Handler] or writes to one; the tests use httptest.
package page
