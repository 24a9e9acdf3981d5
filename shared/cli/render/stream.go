package render

import (
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/mattn/go-isatty"
	"github.com/muesli/termenv"
	"golang.org/x/term"

	"core.internal/shared/ui"
)

// Stream is one output of a program.
type Stream struct {
	io.Writer
	Terminal bool // lines may be redrawn
	Colour   bool
	styles   styles
}

type styles struct {
	tones                   map[ui.Tone]lipgloss.Style
	title, dim, bold, error lipgloss.Style
}

// New looks at a stream and the environment.
func New(w io.Writer, environ []string) *Stream {
	env := variables(environ)
	s := &Stream{Writer: w}
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		s.Terminal = env["TERM"] != "dumb"
	}
	s.Colour = s.Terminal
	if force := env["CLICOLOR_FORCE"]; force != "" && force != "0" {
		s.Colour = true
	}
	if env["NO_COLOR"] != "" {
		s.Colour = false
	}
	s.styles = newStyles(s.Colour)
	return s
}

// newStyles makes styles of a renderer that has been told everything that it
// would otherwise ask the terminal.
func newStyles(colour bool) styles {
	profile := termenv.Ascii
	if colour {
		profile = termenv.ANSI
	}
	r := lipgloss.NewRenderer(io.Discard, termenv.WithProfile(profile))
	r.SetColorProfile(profile)
	r.SetHasDarkBackground(true)
	style := func(colour string) lipgloss.Style {
		return r.NewStyle().Foreground(lipgloss.Color(colour)).Inline(true)
	}
	return styles{
		tones: map[ui.Tone]lipgloss.Style{
			ui.Idle: style("8"), ui.OK: style("2"), ui.Warn: style("3"), ui.Bad: style("1"),
		},
		title: r.NewStyle().Bold(true).Inline(true),
		bold:  r.NewStyle().Bold(true).Inline(true),
		dim:   r.NewStyle().Faint(true).Inline(true),
		error: style("1").Bold(true),
	}
}

// Size is the terminal's size in cells; 0 where there is none.
func (s *Stream) Size() (width, height int) {
	f, ok := s.Writer.(*os.File)
	if !ok || !s.Terminal {
		return 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// Tone colours text.
func (s *Stream) Tone(t ui.Tone, text string) string { return s.paint(s.styles.tones[t], text) }

// Bold is for what a line is about.
func (s *Stream) Bold(text string) string { return s.paint(s.styles.bold, text) }

// Dim is for what matters less.
func (s *Stream) Dim(text string) string { return s.paint(s.styles.dim, text) }

// Error is for the word that begins an error.
func (s *Stream) Error(text string) string { return s.paint(s.styles.error, text) }

func (s *Stream) paint(style lipgloss.Style, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return style.Render(text)
}

// Mark is a sign before a line that says how it is, for those who see no
// colours too; empty where the stream is no terminal.
func (s *Stream) Mark(t ui.Tone) string {
	if !s.Terminal {
		return ""
	}
	return s.Tone(t, map[ui.Tone]string{ui.OK: "✓", ui.Bad: "✗", ui.Warn: "●", ui.Idle: "○"}[t]) + " "
}

// Print writes lines, each cut to the terminal's width, at once.
func (s *Stream) Print(lines ...string) error {
	width, _ := s.Size()
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(Cut(l, width))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(s, b.String())
	return err
}

// Cut shortens a line to a width in cells, colours kept; 0 is no limit.
func Cut(line string, width int) string {
	if width <= 0 {
		return line
	}
	return ansi.Truncate(line, width, "…")
}

// Clean makes text of others harmless on a terminal and one line.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return '�'
		}
		return r
	}, text)
}

func variables(environ []string) map[string]string {
	env := map[string]string{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			env[name] = value
		}
	}
	return env
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
