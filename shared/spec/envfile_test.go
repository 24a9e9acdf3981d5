package spec

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParseEnvFile(t *testing.T) {
	vars, err := ParseEnvFile("a.env", []byte("\ufeff# comment\r\n\nPLAIN=a b \nexport  EXPORTED=x\nEMPTY=\n  SPACED = y # said\nHASH=a#b\nNOTHING= # z\n"+
		"SINGLE='it is $HOME \\n #'\nDOUBLE=\"a\\n\\\"b\\\" \\$HOME\" # c\nLONG='one\ntwo'\nTWICE=1\nTWICE=$PLAIN\r\nLAST=end"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		got = append(got, fmt.Sprintf("%s=%q", k, vars[k]))
	}
	want := []string{
		`DOUBLE="a\n\"b\" $HOME"`, `EMPTY=""`, `EXPORTED="x"`, `HASH="a#b"`, `LAST="end"`, `LONG="one\ntwo"`, `NOTHING=""`,
		`PLAIN="a b"`, `SINGLE="it is $HOME \\n #"`, `SPACED="y"`, `TWICE="$PLAIN"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for text, want := range map[string]string{
		"A=1\nsecret":            `a.env:2:1: the line has no "=": want NAME=value`,
		"A=1\n\n1A=secret":       `a.env:3:1: the name before "=": found "1A": want the name of a variable`,
		"=secret":                `a.env:1:1: the name before "=": empty`,
		"A='b\nc'\nB=\"secret":   `a.env:3:1: the quotes of the value of B are not closed: want a closing "`,
		"A='secret' secret":      `a.env:1:1: the value of A has something after its quotes`,
		"A=\"x\nsecret\\q\"":     `a.env:2:1: the value of A has an unknown escape`,
		"A=\"secret\\":           `a.env:1:1: the value of A has an unknown escape`,
		"A=sec\x00ret":           `a.env:1:1: the value of A has a NUL character`,
		"export A B=1":           `a.env:1:1: the name before "=": found "A B"`,
		"A='\n\n' # x\nB C=true": `a.env:4:1: the name before "="`,
	} {
		_, err := ParseEnvFile("a.env", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(strings.ReplaceAll(err.Error(), "a.env", ""), "secret") {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}

func FuzzParseEnvFile(f *testing.F) {
	for _, s := range []string{"A=1\nB='x\ny'\n", "export A=\"\\n\"#", "A=\"\\", "\ufeffA", "A= #\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		vars, err := ParseEnvFile("a.env", text)
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Line < 1 || e.Line > 1+strings.Count(string(text), "\n")) {
			t.Errorf("%v", err)
		}
		// What was read is read again from its plainest form.
		var b strings.Builder
		for k, v := range vars {
			fmt.Fprintf(&b, "%s=\"%s\"\n", k, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v))
		}
		again, err := ParseEnvFile("b.env", []byte(b.String()))
		if err != nil || !maps.Equal(vars, again) {
			t.Errorf("%v, %q, %q", err, vars, again)
		}
	})
}
