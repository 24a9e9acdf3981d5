package spec

import (
	"embed"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"sync"
)

// source has the files that declare the schema's types: their comments are its
// documentation.
//
//go:embed spec.go process.go ensure.go logging.go health.go dependency.go
var source embed.FS

// fieldDocs are the comments of the types and their fields, by "Type" and
// "Type.Field".
var fieldDocs = sync.OnceValue(func() map[string]string {
	docs := map[string]string{}
	names, err := fs.Glob(source, "*.go")
	for _, name := range names {
		var text []byte
		var file *ast.File
		if text, err = source.ReadFile(name); err == nil {
			file, err = parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
		}
		if err != nil { // they are the files that this program was compiled from
			break
		}
		addDocs(docs, file)
	}
	if err != nil {
		panic("parse the embedded source: " + err.Error())
	}
	return docs
})

func addDocs(docs map[string]string, file *ast.File) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, s := range g.Specs {
			t := s.(*ast.TypeSpec)
			docs[t.Name.Name] = oneLine(g.Doc)
			object, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range object.Fields.List {
				for _, name := range f.Names {
					docs[t.Name.Name+"."+name.Name] = oneLine(f.Doc)
				}
			}
		}
	}
}

// oneLine is the text of a comment without markup and line breaks.
func oneLine(c *ast.CommentGroup) string {
	var p comment.Parser
	var printer comment.Printer
	printer.TextWidth = -1
	return strings.TrimSpace(strings.Join(strings.Fields(string(printer.Text(p.Parse(c.Text())))), " "))
}

func (f field) doc() string { return fieldDocs()[f.owner+"."+f.goName] }
