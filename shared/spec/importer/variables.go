package importer

import (
	"regexp"
	"strings"
)

var interpolation = regexp.MustCompile(`\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?+])([^{}]*))?\})`)

// interpolated is a text in which the other tool put variables of its own
// environment: each becomes {env.NAME}, what is behind ":-" takes its place, and
// "$$" is a dollar sign.
func (b *batch) interpolated(d *draft, a at, text string) string {
	var out strings.Builder
	end := 0
	for _, m := range interpolation.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(literal(text[end:m[0]]))
		end = m[1]
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		name := part(1) + part(2)
		v := a
		v.text = text[m[0]:m[1]]
		switch op := part(3); {
		case name == "":
			out.WriteByte('$')
		case strings.HasSuffix(op, "-"):
			out.WriteString(literal(part(4)))
			b.note(d, v, "a default depends on what is set when it is read: the default was taken", "write {env."+name+"} where the variable is to decide")
		case strings.HasSuffix(op, "+"):
			out.WriteString(literal(part(4)))
			b.note(d, v, "it depends on what is set when it is read: what holds if it is set was taken", "")
		default:
			out.WriteString("{env." + name + "}")
			b.note(d, v, "the variable is looked up in the environment of the node, and one that is not set is an error",
				"set "+name+" for launcher up, also where a .env file had it")
		}
	}
	out.WriteString(literal(text[end:]))
	return out.String()
}
