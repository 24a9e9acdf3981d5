package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// diagramFile has the diagram between two marks.
const diagramFile = "docs/architecture.md"

const (
	diagramBegin = "<!-- arch:diagram -->"
	diagramEnd   = "<!-- /arch:diagram -->"
)

// node is one box: a runtime module, or what one row has of a package of shared.
type node struct {
	id    string
	label string
	group string // the row, or runtime
	parts []string
}

// diagram draws modules and rows with the imports between them, without those
// that follow from others.
func (t *tree) diagram() string {
	nodes, edges := t.boxes()
	reduce(edges)
	var b strings.Builder
	fmt.Fprintln(&b, "```mermaid")
	fmt.Fprintln(&b, "flowchart TB")
	groups := append([]string{"runtime"}, reversed(rowNames)...)
	for _, group := range groups {
		title := "shared: " + group
		if group == "runtime" {
			title = "runtime modules"
		}
		fmt.Fprintf(&b, "  subgraph %s[\"%s\"]\n", group, title)
		for _, id := range slices.Sorted(maps.Keys(nodes)) {
			if n := nodes[id]; n.group == group {
				fmt.Fprintf(&b, "    %s[\"%s\"]\n", n.id, n.text())
			}
		}
		fmt.Fprintln(&b, "  end")
	}
	for _, from := range slices.Sorted(maps.Keys(edges)) {
		for _, to := range slices.Sorted(maps.Keys(edges[from])) {
			fmt.Fprintf(&b, "  %s --> %s\n", from, to)
		}
	}
	fmt.Fprintln(&b, "```")
	return b.String()
}

func reversed(s []string) []string {
	r := slices.Clone(s)
	slices.Reverse(r)
	return r
}

func (n *node) text() string {
	slices.Sort(n.parts)
	n.parts = slices.Compact(n.parts)
	switch len(n.parts) {
	case 0:
		return n.label
	case 1:
		return n.parts[0]
	}
	return strings.Join(n.parts, "<br>")
}

// boxes returns the boxes by id, and from which to which there are imports.
func (t *tree) boxes() (map[string]*node, map[string]map[string]bool) {
	nodes := map[string]*node{}
	edges := map[string]map[string]bool{}
	for _, p := range t.packages {
		from := box(p)
		if len(p.files) == 0 || from.group == "" {
			continue
		}
		if known, ok := nodes[from.id]; ok {
			known.parts = append(known.parts, from.parts...)
		} else {
			nodes[from.id] = &from
		}
		if edges[from.id] == nil {
			edges[from.id] = map[string]bool{}
		}
		for _, f := range p.files {
			for _, i := range f.imports {
				at := slices.IndexFunc(t.packages, func(other *pkg) bool { return other.path == i.path })
				if at < 0 {
					continue
				}
				if to := box(t.packages[at]); to.group != "" && to.id != from.id {
					edges[from.id][to.id] = true
				}
			}
		}
	}
	return nodes, edges
}

// box says in which box a package is. Tools and the whole-system tests are not
// part of the platform's structure.
func box(p *pkg) node {
	if p.module.path != sharedPath {
		top, _, _ := strings.Cut(p.module.rel, "/")
		if top == "tools" || top == "ci" {
			return node{}
		}
		return node{id: strings.ReplaceAll(p.module.rel, "/", "_"), label: p.module.rel, group: "runtime"}
	}
	at, _ := row(p.within)
	if at < 0 {
		return node{}
	}
	top, _, _ := strings.Cut(p.within, "/")
	return node{id: rowNames[at] + "_" + top, label: top, group: rowNames[at], parts: []string{p.within}}
}

// reduce takes away every import that others imply.
func reduce(edges map[string]map[string]bool) {
	full := map[string]map[string]bool{}
	for from := range edges {
		full[from] = reachable(edges, from)
	}
	for from, direct := range edges {
		for to := range direct {
			for via := range direct {
				if via != to && full[via][to] && !full[to][via] {
					delete(direct, to)
				}
			}
		}
		edges[from] = direct
	}
}

func reachable(edges map[string]map[string]bool, start string) map[string]bool {
	seen := map[string]bool{}
	for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
		for to := range edges[queue[0]] {
			if !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	return seen
}

// errNoMarks says that there is no place for the diagram.
var errNoMarks = errors.New("it has no place for the diagram: add the lines\n" + diagramBegin + "\n" + diagramEnd)

// splice puts the diagram between the marks of a document.
func splice(doc, diagram []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(doc, []byte(diagramBegin+"\n"))
	_, after, closed := bytes.Cut(rest, []byte(diagramEnd))
	if !ok || !closed {
		return nil, errNoMarks
	}
	return slices.Concat(before, []byte(diagramBegin+"\n"), diagram, []byte(diagramEnd), after), nil
}

func (t *tree) updateDiagram() error {
	file := filepath.Join(t.root, filepath.FromSlash(diagramFile))
	doc, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	current, err := splice(doc, []byte(t.diagram()))
	if err != nil {
		return fmt.Errorf("%s: %w", diagramFile, err)
	}
	if bytes.Equal(doc, current) {
		return nil
	}
	return os.WriteFile(file, current, 0o644)
}

func checkDiagram(c *checker) error {
	doc, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(diagramFile)))
	if errors.Is(err, fs.ErrNotExist) {
		c.in(diagramFile, 1, "there is no such file: write it, with the lines %s and %s, and run go run ./tools/arch -update", diagramBegin, diagramEnd)
		return nil
	}
	if err != nil {
		return err
	}
	current, err := splice(doc, []byte(c.diagram()))
	switch {
	case err != nil:
		c.in(diagramFile, 1, "it has no lines %s and %s: add them and run go run ./tools/arch -update", diagramBegin, diagramEnd)
	case !bytes.Equal(doc, current):
		c.in(diagramFile, bytes.Count(doc[:bytes.Index(doc, []byte(diagramBegin))], []byte{'\n'})+1, "the diagram is not that of the imports: run go run ./tools/arch -update")
	}
	return nil
}
