package spec

import (
	_ "embed"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"strings"
	"sync"
)

// source is the file that declares the schema's types: their comments are its
// documentation.
//
//go:embed spec.go
var source string

// fieldDocs are the comments of the types and their fields, by "Type" and
// "Type.Field".
var fieldDocs = sync.OnceValue(func() map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "spec.go", source, parser.ParseComments)
	if err != nil { // it is the file that this program was compiled from
		panic("parse embedded spec.go: " + err.Error())
	}
	docs := map[string]string{}
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
	return docs
})

// oneLine is the text of a comment without markup and line breaks.
func oneLine(c *ast.CommentGroup) string {
	var p comment.Parser
	var printer comment.Printer
	printer.TextWidth = -1
	return strings.TrimSpace(strings.Join(strings.Fields(string(printer.Text(p.Parse(c.Text())))), " "))
}

func (f field) doc() string { return fieldDocs()[f.owner+"."+f.goName] }
