package spec

import (
	"fmt"
	"reflect"
	"strings"
)

// Reference returns the documentation of every member as Markdown, made from
// the Go types and their comments.
func Reference() string {
	var b strings.Builder
	writeObject(&b, "", reflect.TypeFor[Service](), map[reflect.Type]bool{})
	b.WriteString(placeholderReference)
	return strings.TrimSpace(b.String()) + "\n"
}

// placeholderReference documents what expand and scope do.
const placeholderReference = `
### Placeholders

A member marked *placeholders* may have these; "{{" stands for a brace. A placeholder that is unknown or has no value is an error.

| Placeholder | Value |
| --- | --- |
| {shared.dep.bin} | directory with the installed binaries |
| {shared.dep.version} | the version of dep |
| {shared.config.dir} | directory for the service's configuration files |
| {shared.config.dataDir} | directory for the service's data |
| {shared.log.dir} | directory of log files |
| {ports.primary} | number of the primary port |
| {ports.NAME} | number of the additional port NAME |
| {service.id} | id of the service; of a replica, with its number |
| {replica} | number of the replica, from 0 |
| {instance} | token of the instance, new for every start |
| {node.name} | name of the node |
| {node.dir} | directory of the node |
| {env.NAME} | variable NAME of the supervisor's environment |
| {secret.NAME} | the secret NAME; only where *secrets* may be, and in templates |
`

// writeObject documents one object, then those below it, each type once.
func writeObject(b *strings.Builder, path string, t reflect.Type, seen map[reflect.Type]bool) {
	seen[t] = true
	title := path
	if title == "" {
		title = "The document"
	} else {
		title = "`" + title + "`"
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n| Member | Type | Default | Description |\n| --- | --- | --- | --- |\n", title, fieldDocs()[t.Name()])
	type child struct {
		path string
		t    reflect.Type
	}
	var children []child
	for _, m := range members(t) {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", m.name, cell(m.typeText()), cell(m.defaultText()), cell(m.doc()+m.remarks()))
		inner, at := m.typ, below(path, m.name)
		if inner.Kind() == reflect.Slice {
			inner, at = inner.Elem(), at+"[]"
		}
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && !seen[inner] {
			children = append(children, child{at, inner})
		}
	}
	for _, c := range children {
		if !seen[c.t] {
			writeObject(b, c.path, c.t, seen)
		}
	}
}

// cell makes a text fit into a table.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text) }

func (f field) typeText() string {
	t := f.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := scalarOf(t); ok {
		return s.doc
	}
	switch t.Kind() {
	case reflect.Struct:
		if short(t) != "" {
			return "text or object"
		}
		return "object"
	case reflect.Map:
		return "object of texts"
	case reflect.Slice:
		switch e := t.Elem(); {
		case e.Kind() == reflect.Struct && short(e) != "":
			return "list of texts or objects"
		case e.Kind() == reflect.Struct:
			return "list of objects"
		case e.Kind() == reflect.Int:
			return fmt.Sprintf("list of numbers, %d to %d", *f.min, *f.max)
		}
		if f.single {
			return "text or list of texts"
		}
		return "list of texts"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return fmt.Sprintf("number, %d to %d", *f.min, *f.max)
	case reflect.Float64:
		return fmt.Sprintf("number, %d to %d, with decimals", *f.min, *f.max)
	}
	if len(f.enum) > 0 {
		return "`" + strings.Join(f.enum, "`, `") + "`"
	}
	return "text"
}

func (f field) defaultText() string {
	switch {
	case f.required && f.unless != "":
		return "**required** without " + f.unless
	case f.required:
		return "**required**"
	case f.def != "":
		return "`" + f.def + "`"
	case f.typ.Kind() == reflect.Bool:
		return "`false`"
	}
	return ""
}

// remarks say what the schema demands beside the type.
func (f field) remarks() string {
	var b strings.Builder
	switch {
	case f.must.some():
		fmt.Fprintf(&b, " Required where %s is %s.", f.must.sibling, alternatives(f.must.is))
	case f.when.some():
		fmt.Fprintf(&b, " Only where %s is %s.", f.when.sibling, alternatives(f.when.is))
	}
	if f.shape != "" && f.shape != "line" && f.shape != "match" && f.shape != "dependency" && f.shape != "id" && f.shape != "regexp" && f.shape != "filled" {
		fmt.Fprintf(&b, " Form: %s.", shapes[f.shape].want)
	}
	if f.positive {
		b.WriteString(" More than 0.")
	}
	switch {
	case f.secrets:
		b.WriteString(" *Placeholders, secrets.*")
	case f.placeholders:
		b.WriteString(" *Placeholders.*")
	}
	return b.String()
}
