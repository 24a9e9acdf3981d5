package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// quarantine is a family of libraries and the only packages that import it,
// each with those below it.
type quarantine struct {
	name     string
	prefixes []string
	allowed  []string
}

var quarantines = []quarantine{
	{"nats-server", []string{"github.com/nats-io/nats-server"}, []string{own + "shared/bus/server"}},
	{"Caddy", []string{"github.com/caddyserver"}, []string{own + "shared/caddy"}},
	{"lipgloss and Bubble Tea", []string{"github.com/charmbracelet", "charm.land"},
		[]string{own + "shared/cli", own + "shared/ui/tui", own + "launcher/cli", own + "launcher/ui/tui"}},
	{"chromedp", []string{"github.com/chromedp"}, []string{own + "ci/browser"}},
	{"ko", []string{"github.com/google/ko", "github.com/google/go-containerregistry"}, []string{own + "shared/pipeline/ko"}},
}

// heavy returns the family that an import path belongs to.
func heavy(importPath string) (quarantine, bool) {
	for _, q := range quarantines {
		for _, prefix := range q.prefixes {
			if inside(importPath, prefix) {
				return q, true
			}
		}
	}
	return quarantine{}, false
}

func checkHeavy(c *checker) error {
	for _, p := range c.packages {
		for _, f := range p.all() {
			for _, i := range f.imports {
				q, ok := heavy(i.path)
				if !ok || slices.ContainsFunc(q.allowed, func(allowed string) bool { return inside(p.path, allowed) }) {
					continue
				}
				c.at(i.pos, "only %s may import %s: use what is offered there instead of %s", strings.Join(trim(q.allowed), ", "), q.name, i.path)
			}
		}
	}
	return nil
}

func trim(paths []string) []string {
	short := make([]string, len(paths))
	for i, p := range paths {
		short[i] = strings.TrimPrefix(p, own)
	}
	return short
}

// checkServices asks the go command what each service links.
func checkServices(c *checker) error {
	var mains []*pkg
	for _, p := range c.packages {
		if strings.HasPrefix(p.module.rel, "services/") && p.name == "main" {
			mains = append(mains, p)
		}
	}
	if len(mains) == 0 {
		return nil
	}
	links, err := c.imports(mains)
	if err != nil {
		return err
	}
	for _, p := range mains {
		from := reach(links, p.path)
		if _, ok := from[own+"shared/service"]; !ok {
			continue
		}
		told := map[string]bool{}
		for _, linked := range slices.Sorted(maps.Keys(from)) {
			q, ok := heavy(linked)
			if !ok || told[q.name] {
				continue
			}
			told[q.name] = true
			c.at(p.files[0].ast.Package, "a service links no %s, and this one does: %s: cut the chain where it leaves %s",
				q.name, chain(from, p.path, linked), lastOwn(from, linked))
		}
	}
	return nil
}

// imports lists what each package imports that the given ones depend on.
func (t *tree) imports(mains []*pkg) (map[string][]string, error) {
	args := []string{"list", "-deps", "-json=ImportPath,Imports,Standard"}
	for _, p := range mains {
		args = append(args, "./"+p.rel)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Clean(t.root)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list of the services: %w\n%s", err, stderr.Bytes())
	}
	links := map[string][]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p struct {
			ImportPath string
			Imports    []string
			Standard   bool
		}
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("go list of the services: %w", err)
		}
		if !p.Standard {
			links[p.ImportPath] = p.Imports
		}
	}
	return links, nil
}

// reach returns, for each package that one depends on, a package through which.
func reach(links map[string][]string, start string) map[string]string {
	from := map[string]string{start: ""}
	for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
		for _, to := range links[queue[0]] {
			if _, seen := from[to]; !seen {
				from[to] = queue[0]
				queue = append(queue, to)
			}
		}
	}
	return from
}

func chain(from map[string]string, start, end string) string {
	steps := []string{end}
	for at := end; at != start; {
		at = from[at]
		steps = append(steps, strings.TrimPrefix(at, own))
	}
	slices.Reverse(steps)
	return strings.Join(steps, " → ")
}

// lastOwn is the last package of the tree on the way to another.
func lastOwn(from map[string]string, end string) string {
	for at := end; ; at = from[at] {
		if strings.HasPrefix(at, own) {
			return strings.TrimPrefix(at, own)
		}
	}
}
