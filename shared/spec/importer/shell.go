package importer

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"core.internal/shared/spec"
)

// builtins are commands that are nothing without a shell.
var builtins = []string{
	":", ".", "alias", "bg", "break", "builtin", "cd", "command", "continue", "declare", "eval", "exec", "exit", "export", "fg", "getopts", "hash",
	"jobs", "local", "popd", "pushd", "read", "readonly", "return", "set", "shift", "shopt", "source", "times", "trap", "type", "ulimit", "umask",
	"unalias", "unset", "wait",
}

// shellLine is a line for a shell, taken apart.
type shellLine struct {
	words []string // command and arguments, as a spec has them
	env   [][2]string
	shell bool // words are those of a shell that runs the line
}

// readShell takes a line of a POSIX shell apart. Where it is one command of plain
// words no shell is needed; known are the placeholders that variables stand for.
// Anything else is for the shell.
func readShell(line string, shell []string, known map[string]string) shellLine {
	through := func(line string) shellLine {
		return shellLine{words: append(slices.Clone(shell), literal(line)), shell: true}
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(line), "")
	if err != nil || len(file.Stmts) != 1 || strings.ContainsAny(line, "\r") {
		return through(line) // also what only another shell understands
	}
	s := file.Stmts[0]
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || s.Negated || s.Background || s.Coprocess || s.Disown || len(call.Args) == 0 {
		return through(line)
	}
	var out shellLine
	plain := len(s.Redirs) == 0
	for _, a := range call.Assigns {
		value, ok := "", true
		if a.Value != nil {
			value, ok = plainWord(a.Value, known, true)
		}
		if !ok || a.Append || a.Name == nil {
			return through(line)
		}
		out.env = append(out.env, [2]string{a.Name.Value, value})
	}
	for _, w := range call.Args {
		word, ok := plainWord(w, known, false)
		plain = plain && ok
		out.words = append(out.words, word)
	}
	if name := call.Args[0].Lit(); name == "exec" && len(call.Args) > 1 && !strings.HasPrefix(call.Args[1].Lit(), "-") && plain {
		out.words = out.words[1:]
	} else if slices.Contains(builtins, name) {
		return through(line)
	} else if !plain && len(call.Assigns) == 0 {
		return through("exec " + strings.TrimSpace(line)) // one process fewer, and the signal reaches it
	} else if !plain {
		return through(line)
	}
	if slices.Contains(builtins, out.words[0]) || out.words[0] == "" {
		return through(line)
	}
	return out
}

// plainWord is a word without what only a shell can do.
func plainWord(w *syntax.Word, known map[string]string, assigned bool) (string, bool) {
	var b strings.Builder
	for i, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			if i == 0 && strings.HasPrefix(p.Value, "~") || assigned && strings.Contains(p.Value, ":~") {
				return "", false
			}
			text, ok := unescape(p.Value, "", !assigned)
			if !ok {
				return "", false
			}
			b.WriteString(literal(text))
		case *syntax.SglQuoted:
			if p.Dollar {
				return "", false
			}
			b.WriteString(literal(p.Value))
		case *syntax.DblQuoted:
			for _, inner := range p.Parts {
				switch q := inner.(type) {
				case *syntax.Lit:
					text, _ := unescape(q.Value, "$`\"\\", false)
					b.WriteString(literal(text))
				default:
					text, ok := knownVariable(q, known)
					if !ok || p.Dollar {
						return "", false
					}
					b.WriteString(text)
				}
			}
		default:
			text, ok := knownVariable(p, known)
			if !ok {
				return "", false
			}
			b.WriteString(text)
		}
	}
	return b.String(), true
}

// knownVariable is what a variable stands for, whose value is never empty.
func knownVariable(part syntax.WordPart, known map[string]string) (string, bool) {
	p, ok := part.(*syntax.ParamExp)
	if !ok || p.Param == nil || p.Excl || p.Length || p.Width || p.Index != nil || p.Slice != nil || p.Repl != nil || p.Names != 0 {
		return "", false
	}
	if p.Exp != nil && !slices.Contains([]syntax.ParExpOperator{syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.ErrorUnset, syntax.ErrorUnsetOrNull}, p.Exp.Op) {
		return "", false
	}
	text, ok := known[p.Param.Value]
	return text, ok
}

// unescape takes backslashes away in front of the characters of only, or of all
// if it is empty. It is not ok where a pattern for file names is.
func unescape(text, only string, patterns bool) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && (only == "" || strings.IndexByte(only, text[i+1]) >= 0):
			i++
			b.WriteByte(text[i])
		case patterns && strings.IndexByte("*?[", c) >= 0:
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// addShell begins a service that a shell's line starts.
func (b *batch) addShell(a at, name string, l shellLine, dir string, prepare func(*spec.Service)) (*draft, error) {
	d, err := b.add(a, name, l.words, dir, prepare)
	if err != nil {
		return nil, err
	}
	for _, kv := range l.env {
		d.env(a, kv[0], kv[1])
	}
	d.set(a, func(s *spec.Service) { s.Process.WorkingDir = literal(dir) })
	return d, nil
}
