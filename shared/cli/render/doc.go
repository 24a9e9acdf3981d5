// Package render writes for people: coloured where the stream is a terminal,
// plain text where it is not, never wider than the terminal.
//
// # Usage
//
//	out := render.New(os.Stdout, os.Environ())
//	t := render.Table{Columns: []render.Column{{Title: "SERVICE"}, {Title: "REASON", Flex: true}}}
//	t.Add(render.Text("alpha"), render.Toned("exit status 1", ui.Bad))
//	out.Print(t.Lines(out)...)
//
// Colours follow NO_COLOR and CLICOLOR_FORCE. Nothing ever asks the terminal
// about itself: its size comes from the kernel, its abilities from TERM, and the
// sixteen colours used are those of its own theme, so that its background does
// not matter.
//
// [Screen] redraws lines in place; [Boot] shows the stages of a boot as they go.
//
// # Concurrency
//
// A [Stream] and what is made from it belong to one goroutine.
//
// # Testing
//
// Tests compare text; testdata holds larger pieces.
package render
