package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var embedded embed.FS

// Assets has the stylesheet core.css and the icon icon.svg.
func Assets() fs.FS {
	sub, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return sub
}

// Files serves files whose URLs carry a hash of their content, so that a
// browser may keep them for ever.
type Files struct {
	byName map[string]string // name → URL
	byURL  map[string]file
}

type file struct {
	name string
	data []byte
	kind string
}

// NewFiles serves the files at the top of each file system below a path that
// begins and ends with a slash. Of two files with one name the later counts.
func NewFiles(prefix string, systems ...fs.FS) (*Files, error) {
	f := &Files{byName: map[string]string{}, byURL: map[string]file{}}
	for _, system := range systems {
		entries, err := fs.ReadDir(system, ".")
		if err != nil {
			return nil, fmt.Errorf("list the files of a page: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			data, err := fs.ReadFile(system, e.Name())
			if err != nil {
				return nil, fmt.Errorf("read a file of a page: %w", err)
			}
			sum := sha256.Sum256(data)
			url := prefix + hex.EncodeToString(sum[:8]) + "/" + e.Name()
			f.byName[e.Name()] = url
			f.byURL[url] = file{name: e.Name(), data: data, kind: kind(e.Name())}
		}
	}
	return f, nil
}

// kind is the content type by file name. It is not left to the machine's own
// table, which may lack a type or have another.
func kind(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".LICENSE", ".txt":
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// URL is where a file is served; empty for a file that is not there.
func (f *Files) URL(name string) string { return f.byName[name] }

// ServeHTTP implements [http.Handler].
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := f.byURL[r.URL.Path]
	if !ok || strings.HasSuffix(r.URL.Path, "/") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", found.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, found.name, time.Time{}, bytes.NewReader(found.data))
}
