package page

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
)

// View is what the layout shows around a page's own data.
type View struct {
	Title string
	Data  any
}

// layout has the parts "scripts" and "body" for a page to define.
const layout = `{{define "layout"}}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
<link rel="icon" href="{{asset "icon.svg"}}" type="image/svg+xml">
<link rel="stylesheet" href="{{asset "core.css"}}">
{{block "scripts" .}}{{end}}</head>
<body>
{{template "body" .}}
</body>
</html>
{{end}}`

// Parse makes a page of the layout and the given templates. Beside funcs they
// may call asset, the URL of a file.
func Parse(files *Files, funcs template.FuncMap, texts ...string) (*template.Template, error) {
	t := template.New("layout").Funcs(template.FuncMap{"asset": files.URL}).Funcs(funcs)
	for _, text := range append([]string{layout}, texts...) {
		if _, err := t.Parse(text); err != nil {
			return nil, fmt.Errorf("parse a page: %w", err)
		}
	}
	return t, nil
}

// Write answers with a page. It is rendered first, so that a failure becomes a
// plain error instead of half a page.
func Write(w http.ResponseWriter, t *template.Template, status int, v View) error {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", v); err != nil {
		http.Error(w, "this page could not be rendered", http.StatusInternalServerError)
		return fmt.Errorf("render the page %q: %w", v.Title, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}
