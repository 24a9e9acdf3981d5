package importer

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"core.internal/shared/spec"
)

// maxNodes bounds what aliases make of a document.
const maxNodes = 100_000

const yamlMapping, yamlScalar, yamlList = yaml.MappingNode, yaml.ScalarNode, yaml.SequenceNode

// node is a value of a YAML document.
type node struct {
	*yaml.Node
	file, field string
	reads       *int // that are left
}

// member is one entry of a mapping.
type member struct {
	key string
	node
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// readYAML reads one document that is a mapping.
func readYAML(doc Document) (node, error) {
	var root yaml.Node
	top := at{file: doc.File, line: 1, column: 1}
	d := yaml.NewDecoder(strings.NewReader(string(doc.Data)))
	if err := d.Decode(&root); err != nil {
		if len(strings.TrimSpace(string(doc.Data))) == 0 || err.Error() == "EOF" {
			return node{}, top.fail("a mapping", "the file is empty")
		}
		reason := err.Error()
		if m := yamlLine.FindStringSubmatch(reason); m != nil {
			reason = m[2]
			if n, err := strconv.Atoi(m[1]); err == nil && n > 0 {
				top.line = n
			}
		}
		return node{}, top.fail("", "malformed YAML: %s", reason)
	}
	var more yaml.Node
	if err := d.Decode(&more); err == nil {
		top.line = max(more.Line, 1)
		return node{}, top.fail("one", "a second document")
	}
	reads := maxNodes
	n := node{root.Content[0], doc.File, "", &reads}.real()
	if n.Kind != yaml.MappingNode {
		return node{}, n.at().fail("a mapping", "found %s", n.kind())
	}
	return n, unique(doc.File, n.Node)
}

// unique refuses a key that is there twice in one mapping: one of the two would
// be lost.
func unique(file string, n *yaml.Node) error {
	seen := map[string]int{}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind == yaml.ScalarNode {
			if line, twice := seen[c.Value]; twice {
				return at{file, c.Line, c.Column, c.Value, ""}.fail("one of them", "the key is there already, in line %d", line)
			}
			seen[c.Value] = c.Line
		}
		if err := unique(file, c); err != nil {
			return err
		}
	}
	return nil
}

// real follows an alias. What is read too often reads as null.
func (n node) real() node {
	for n.Kind == yaml.AliasNode && *n.reads > 0 {
		*n.reads--
		n.Node = n.Alias
	}
	if *n.reads--; *n.reads <= 0 || n.Kind == yaml.AliasNode {
		n.Node = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line, Column: n.Column}
	}
	return n
}

func (n node) at() at { return at{n.file, n.Line, n.Column, n.field, n.text()} }

func (n node) kind() string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.null():
		return "nothing"
	}
	return strconv.Quote(shorten(n.Value))
}

func (n node) null() bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// text is the value as a note shows it.
func (n node) text() string {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value
	case yaml.SequenceNode, yaml.MappingNode:
		var parts []string
		for _, c := range n.Content[:min(len(n.Content), 20)] {
			switch c.Kind {
			case yaml.ScalarNode:
				parts = append(parts, c.Value)
			default:
				parts = append(parts, "…")
			}
		}
		return strings.Join(parts, " ")
	}
	return ""
}

// members lists the entries of a mapping, those that "<<" merges into it behind
// its own. Anything else has none.
func (n node) members() []member {
	var list []member
	seen := map[string]bool{}
	var walk func(node, int)
	walk = func(n node, depth int) {
		if n.Kind != yaml.MappingNode || depth > 50 {
			return
		}
		var merged []node
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.with(n.Content[i], "").real(), n.with(n.Content[i+1], "")
			line, column := value.Line, value.Column
			if value.Kind == yaml.AliasNode {
				value = value.real()
				copied := *value.Node
				copied.Line, copied.Column = line, column
				value.Node = &copied
			}
			value = value.real()
			if n.Content[i].Tag == "!!merge" {
				if value.Kind == yaml.SequenceNode {
					merged = append(merged, value.items()...)
				} else {
					merged = append(merged, value)
				}
				continue
			}
			if name := key.Value; !seen[name] {
				seen[name] = true
				value.field = join(n.field, name)
				list = append(list, member{name, value})
			}
		}
		for _, m := range merged {
			m.field = n.field
			walk(m, depth+1)
		}
	}
	walk(n, 0)
	return list
}

// members lists the entries of a mapping that are texts, and those that nested
// names. Whatever else is there is noted.
func (d *draft) members(n node, nested ...string) []member {
	if n.Kind != yamlMapping {
		if !n.null() {
			d.note(n.at(), "no mapping", "")
		}
		return nil
	}
	return slices.DeleteFunc(n.members(), func(m member) bool { return !d.fits(m, nested) })
}

// fits reports whether a member is a text or one of nested; if not it is noted.
func (d *draft) fits(m member, nested []string) bool {
	ok := m.Kind == yamlScalar || slices.Contains(nested, m.key)
	if !ok {
		d.note(m.at(), "not carried over: not one text, or nothing that specs have", "")
	}
	return ok
}

// texts lists the elements of a list that are texts; the others are noted.
func (d *draft) texts(n node) []node {
	return slices.DeleteFunc(n.items(), func(i node) bool { return !d.fits(member{node: i}, nil) })
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (n node) with(c *yaml.Node, field string) node { return node{c, n.file, field, n.reads} }

// items lists the elements of a list; of a value that is no list, that value.
func (n node) items() []node {
	if n.Kind != yaml.SequenceNode {
		if n.null() {
			return nil
		}
		return []node{n}
	}
	var list []node
	for i, c := range n.Content {
		list = append(list, n.with(c, n.field+"["+strconv.Itoa(i)+"]").real())
	}
	return list
}

// scalars are the texts of a list, or of one scalar; ok is false where
// something else is in it.
func (n node) scalars() (texts []string, ok bool) {
	for _, i := range n.items() {
		if i.Kind != yaml.ScalarNode {
			return nil, false
		}
		texts = append(texts, i.Value)
	}
	return texts, true
}

// yes reads a boolean.
func (n node) yes() (value, ok bool) {
	err := n.Decode(&value)
	return value, err == nil && n.Kind == yaml.ScalarNode && !n.null()
}

// pairs are the variables of a mapping, or of a list of NAME=value. A nil value
// is one that has none.
func (n node) pairs() []pair {
	var list []pair
	if n.Kind == yaml.MappingNode {
		for _, m := range n.members() {
			p := pair{node: m.node, name: m.key}
			switch {
			case m.null():
			case m.Kind == yaml.ScalarNode:
				p.value = &m.Value
			default:
				p.bad = true
			}
			list = append(list, p)
		}
		return list
	}
	for _, i := range n.items() {
		name, value, ok := strings.Cut(i.Value, "=")
		p := pair{node: i, name: name, bad: i.Kind != yaml.ScalarNode}
		if ok {
			p.value = &value
		}
		list = append(list, p)
	}
	return list
}

type pair struct {
	node
	name  string
	value *string
	bad   bool // it is no text
}

// seconds is a whole number of seconds, or a duration with units.
func seconds(text string) (spec.Duration, bool) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		ok := n >= 0 && n <= float64(math.MaxInt64/2)/1e9
		if !ok {
			return 0, false
		}
		return spec.Duration(n * 1e9), true
	}
	d, err := spec.ParseDuration(text)
	return spec.Duration(d), err == nil
}

// bytesOf is a size such as 512, 64m, 1.5gb or 2GiB.
func bytesOf(text string) (spec.Size, bool) {
	text = strings.ToUpper(strings.TrimSpace(text))
	text = strings.TrimSuffix(strings.TrimSuffix(text, "B"), "I")
	unit := 0
	if text != "" {
		if i := strings.IndexByte("KMGT", text[len(text)-1]); i >= 0 {
			unit, text = i+1, text[:len(text)-1]
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(n >= 0) || n > float64(math.MaxInt64/2)/float64(int64(1)<<(10*unit)) {
		return 0, false
	}
	return spec.Size(n * float64(int64(1)<<(10*unit))), true
}
