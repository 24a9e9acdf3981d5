package importer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"core.internal/shared/spec"
)

// Format is a kind of document.
type Format string

// The formats.
const (
	Procfile       Format = "procfile"
	ProcessCompose Format = "process-compose"
	Supervisord    Format = "supervisord"
	Systemd        Format = "systemd"
	Compose        Format = "compose"
)

// Formats lists all of them.
func Formats() []Format { return []Format{Procfile, ProcessCompose, Supervisord, Systemd, Compose} }

// Several reports whether documents of the format belong together in numbers.
func (f Format) Several() bool { return f == Supervisord || f == Systemd }

// Document is one file of another supervisor.
type Document struct {
	File string // as it is to be named in messages; systemd takes the unit's name from it
	Dir  string // absolute: what relative paths in it are relative to
	Data []byte
}

// Options are what a document does not say.
type Options struct {
	Profiles []string // of services that their supervisor starts by itself
	// EnvFile is an absolute path that a Procfile's processes take variables
	// from; empty for none.
	EnvFile string
	// BasePort is the port of a Procfile's first process, each further one having
	// one that is larger by 100; any free ports if 0.
	BasePort int
}

// Result is what became of the documents.
type Result struct {
	Services []spec.Located // in the order of the documents; File is <id>.json
	Notes    []Note         // sorted by file and line
}

// Note is about one directive that was not carried over, or not as it was.
type Note struct {
	File    string         `json:"file"`
	Line    int            `json:"line"` // from 1
	Service spec.ServiceID `json:"service,omitempty"`
	Field   string         `json:"field"`          // the directive
	What    string         `json:"what,omitempty"` // its value, shortened
	Why     string         `json:"why"`
	Hint    string         `json:"hint,omitempty"`
}

// String is the note as one line.
func (n Note) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: ", n.File, n.Line)
	if n.Service != "" {
		fmt.Fprintf(&b, "%s: ", n.Service)
	}
	b.WriteString(n.Field)
	if n.What != "" {
		fmt.Fprintf(&b, " %q", n.What)
	}
	b.WriteString(": " + n.Why)
	if n.Hint != "" {
		b.WriteString("; " + n.Hint)
	}
	return b.String()
}

// The most of a document that is read.
const (
	maxServices  = 1000
	maxDocuments = 1000
)

// Import reads documents of one format. Each error is an [*spec.Error], joined.
func Import(f Format, docs []Document, opt Options) (Result, error) {
	read := map[Format]func(*batch, Document) error{
		Procfile: (*batch).procfile, ProcessCompose: (*batch).processCompose, Supervisord: (*batch).supervisord,
		Systemd: (*batch).systemd, Compose: (*batch).compose,
	}[f]
	switch {
	case read == nil:
		return Result{}, fmt.Errorf("import: unknown format %q: want one of %v", f, Formats())
	case len(docs) == 0:
		return Result{}, fmt.Errorf("import %s: no document", f)
	case len(docs) > 1 && !f.Several(), len(docs) > maxDocuments:
		return Result{}, fmt.Errorf("import %s: %d documents: give them one by one", f, len(docs))
	}
	b := &batch{opt: opt, docs: docs}
	var errs []error
	for _, d := range docs {
		if err := readable(d); err != nil {
			errs = append(errs, err)
		} else if err := read(b, d); err != nil {
			errs = append(errs, err)
		}
	}
	if f == Systemd && len(errs) == 0 {
		b.timers()
	}
	if err := errors.Join(errs...); err != nil {
		return Result{}, err
	}
	return b.finish()
}

// readable refuses what would not come through as it is.
func readable(d Document) error {
	if len(d.Data) > spec.MaxBytes {
		return &spec.Error{File: d.File, Reason: fmt.Sprintf("the file has %d bytes", len(d.Data)), Want: fmt.Sprintf("at most %d", spec.MaxBytes)}
	}
	line, column := 1, 1
	for rest := d.Data; len(rest) > 0; column++ {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 || r == 0 {
			return &spec.Error{File: d.File, Line: line, Column: column, Reason: fmt.Sprintf("the byte %#02x", rest[0]), Want: "text in UTF-8"}
		}
		if r == '\n' {
			line, column = line+1, 0
		}
		rest = rest[n:]
	}
	return nil
}

// Encode writes a spec as a document for people to go on with.
func Encode(s spec.Service) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return b.Bytes(), err
}

// parse is the gate that every spec of a result went through.
func parse(s spec.Service) (spec.Located, error) {
	b, err := Encode(s)
	if err != nil {
		return spec.Located{}, err
	}
	return spec.ParseLocated(string(s.ID)+".json", b)
}

// batch is one import.
type batch struct {
	opt    Options
	docs   []Document
	drafts []*draft
	later  []change // what concerns several services
	notes  []Note
	ending []waits    // services whose end others wait for
	units  []*section // timers of systemd
}

// at is one directive and where it stands.
type at struct {
	file         string
	line, column int
	field, text  string
}

// fail is an error at that place.
func (a at) fail(want, format string, args ...any) error {
	return &spec.Error{File: a.file, Line: a.line, Column: max(a.column, 1), Field: a.field, Reason: fmt.Sprintf(format, args...), Want: want}
}

// draft is a service that takes shape. Its spec is valid at any time.
type draft struct {
	b    *batch
	spec spec.Service
	name string // as its document has it
	// located is the spec as the node reads it; nil where that is to be done.
	located *spec.Located
}

func (d *draft) put(s spec.Service) { d.spec, d.located = s, nil }

// waits is the wish that a service of a document ends.
type waits struct {
	at at
	on string
}

// change is one directive that is not carried over yet.
type change struct {
	d  *draft
	at at
	do func(*spec.Service)
}

// note says that a directive is not carried over, or not as it was.
func (b *batch) note(d *draft, a at, why, hint string) {
	n := Note{File: a.file, Line: max(a.line, 1), Field: cmp.Or(shorten(a.field), `""`), What: shorten(a.text), Why: line(why), Hint: line(hint)}
	if d != nil {
		n.Service = d.spec.ID
	}
	if !slices.Contains(b.notes, n) {
		b.notes = append(b.notes, n)
	}
}

func (d *draft) note(a at, why, hint string) { d.b.note(d, a, why, hint) }

// shorten makes a value one line of a message.
func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= 64 {
		return text
	}
	return string([]rune(text)[:63]) + "…"
}

// set carries a directive over, or notes why that cannot be.
func (d *draft) set(a at, do func(*spec.Service)) bool {
	return d.b.try(change{d, a, do}, func(s spec.Service) error {
		_, err := parse(s)
		return err
	})
}

func (b *batch) try(c change, check func(spec.Service) error) bool {
	s := clone(c.d.spec)
	c.do(&s)
	if err := check(s); err != nil {
		why, want := err.Error(), ""
		if e := first(err); e != nil {
			why, want = e.Reason, e.Want
			if e.Field != "" {
				why = e.Field + ": " + why
			}
		}
		if want != "" {
			want = "want " + want
		}
		b.note(c.d, c.at, why, want)
		return false
	}
	c.d.put(s)
	return true
}

// first is the first of several joined errors that has a place.
func first(err error) *spec.Error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			if e := first(one); e != nil {
				return e
			}
		}
		return nil
	}
	var e *spec.Error
	errors.As(err, &e)
	return e
}

func clone(s spec.Service) spec.Service {
	var c spec.Service
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil { // a valid spec has a JSON form
		panic("copy a spec: " + err.Error())
	}
	return c
}

// finish carries over what concerns several services: all at once where that
// is right, or one by one to find what is not.
func (b *batch) finish() (Result, error) {
	for _, w := range b.ending {
		b.ends(w.at, w.on)
	}
	before := make([]spec.Service, len(b.drafts))
	for i, d := range b.drafts {
		before[i] = clone(d.spec)
	}
	for _, c := range b.later {
		c.do(&c.d.spec)
		c.d.put(c.d.spec)
	}
	list, err := b.check()
	if err != nil {
		for i, d := range b.drafts {
			d.put(before[i])
		}
		for _, c := range b.later {
			b.try(c, func(s spec.Service) error {
				kept := *c.d
				c.d.put(s)
				_, err := b.check()
				*c.d = kept
				return err
			})
		}
		list, err = b.check()
	}
	if err == nil && len(list) == 0 && len(b.notes) == 0 {
		err = &spec.Error{File: b.docs[0].File, Line: 1, Column: 1, Reason: "there is no service in it"}
	}
	slices.SortStableFunc(b.notes, func(x, y Note) int { return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line)) })
	return Result{Services: list, Notes: b.notes}, err
}

// check reads all drafts as the node will.
func (b *batch) check() ([]spec.Located, error) {
	var list []spec.Located
	for _, d := range b.drafts {
		if d.located == nil {
			l, err := parse(d.spec)
			if err != nil {
				return nil, err
			}
			d.located = &l
		}
		list = append(list, *d.located)
	}
	return list, spec.Check(list)
}

// after carries a directive over once all services are known.
func (d *draft) after(a at, do func(*spec.Service)) { d.b.later = append(d.b.later, change{d, a, do}) }

// find is the service that a document calls by that name.
func (b *batch) find(name string) *draft {
	i := slices.IndexFunc(b.drafts, func(d *draft) bool { return d.name == name })
	if i < 0 {
		return nil
	}
	return b.drafts[i]
}
