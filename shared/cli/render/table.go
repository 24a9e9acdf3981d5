package render

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"core.internal/shared/ui"
)

// Table is rows of cells below titles.
type Table struct {
	Columns []Column
	rows    [][]Cell
}

// Column is one column.
type Column struct {
	Title string
	Right bool // numbers
	// Flex columns are cut where the terminal is narrow, the last one first, to
	// no less than minFlex cells.
	Flex bool
	// Drop is how dispensable the column is: where the terminal is still too
	// narrow, the column with the highest goes first. 0 is for never.
	Drop int
}

// minFlex is the least width of a cut column.
const minFlex = 10

// gap stands between columns.
const gap = "  "

// Cell is one cell.
type Cell struct {
	Text string
	Tone ui.Tone // "" for none
	Bold bool
}

// Text is a cell without a colour.
func Text(text string) Cell { return Cell{Text: text} }

// Toned is a cell with a colour.
func Toned(text string, t ui.Tone) Cell { return Cell{Text: text, Tone: t} }

// Badge is a cell for a badge.
func Badge(b ui.Badge) Cell { return Cell{Text: b.Text, Tone: b.Tone} }

// Add adds a row; what a cell says is made one harmless line.
func (t *Table) Add(cells ...Cell) {
	row := make([]Cell, len(t.Columns))
	copy(row, cells)
	for i := range row {
		row[i].Text = Clean(row[i].Text)
	}
	t.rows = append(t.rows, row)
}

// Empty reports whether the table has no rows.
func (t *Table) Empty() bool { return len(t.rows) == 0 }

// Lines lays the table out for a stream. Columns without any text are left out.
func (t *Table) Lines(s *Stream) []string {
	width, _ := s.Size()
	return t.layout(s, width)
}

func (t *Table) layout(s *Stream, width int) []string {
	widths := t.widths(width)
	lines := make([]string, 0, len(t.rows)+1)
	titles := make([]Cell, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = Cell{Text: c.Title}
	}
	lines = append(lines, t.line(s, titles, widths, true))
	for _, row := range t.rows {
		lines = append(lines, t.line(s, row, widths, false))
	}
	return lines
}

// widths chooses each column's width; 0 for a column that is left out.
func (t *Table) widths(limit int) []int {
	widths := make([]int, len(t.Columns))
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], ansi.StringWidth(c.Text))
		}
	}
	for i, c := range t.Columns {
		if widths[i] > 0 || len(t.rows) == 0 {
			widths[i] = max(widths[i], ansi.StringWidth(c.Title))
		}
	}
	if limit <= 0 {
		return widths
	}
	for t.shrink(widths, limit) > 0 {
		worst := -1
		for i, c := range t.Columns {
			if widths[i] > 0 && c.Drop > 0 && (worst < 0 || c.Drop > t.Columns[worst].Drop) {
				worst = i
			}
		}
		if worst < 0 {
			for i, c := range t.Columns {
				if c.Flex {
					widths[i] = min(widths[i], minFlex)
				}
			}
			break // who prints it cuts the lines
		}
		widths[worst] = 0
	}
	return widths
}

// shrink cuts flexible columns and returns by how much the table is too wide
// still; in that case they are as they were.
func (t *Table) shrink(widths []int, limit int) int {
	over := -limit - len(gap)
	spare := 0
	for i, w := range widths {
		if w > 0 {
			over += w + len(gap)
		}
		if t.Columns[i].Flex {
			spare += max(0, w-minFlex)
		}
	}
	if over <= 0 || over > spare {
		return max(over, 0)
	}
	for i := len(widths) - 1; i >= 0 && over > 0; i-- {
		if t.Columns[i].Flex {
			cut := min(over, max(0, widths[i]-minFlex))
			widths[i] -= cut
			over -= cut
		}
	}
	return 0
}

func (t *Table) line(s *Stream, cells []Cell, widths []int, title bool) string {
	var b strings.Builder
	pending := 0 // spaces that only count where text follows
	first := true
	for i, c := range cells {
		if widths[i] == 0 {
			continue
		}
		if !first {
			pending += len(gap)
		}
		first = false
		text := Cut(c.Text, widths[i])
		fill := max(0, widths[i]-ansi.StringWidth(text))
		if t.Columns[i].Right {
			pending += fill
		}
		if text != "" {
			b.WriteString(strings.Repeat(" ", pending))
			b.WriteString(t.paint(s, c, text, title))
			pending = 0
		}
		if !t.Columns[i].Right {
			pending += fill
		}
	}
	return b.String()
}

func (t *Table) paint(s *Stream, c Cell, text string, title bool) string {
	switch {
	case title:
		return s.Dim(text)
	case c.Bold:
		return s.Bold(text)
	case c.Tone != "":
		return s.Tone(c.Tone, text)
	}
	return text
}
