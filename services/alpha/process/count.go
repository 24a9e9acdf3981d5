package process

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Count is how often whom was greeted: what the bucket holds, as JSON.
type Count struct {
	// Series is when this count began. A count that begins anew has a later
	// one, so that a reader knows a small number from an old one.
	Series time.Time      `json:"series"`
	Total  int            `json:"total"`
	Names  map[string]int `json:"names"`
	// Commit names the change that led here: how a writer whose answer was lost
	// learns that it was stored.
	Commit string `json:"commit"`
}

// Greeting is one name's count.
type Greeting struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Greeted is the fact alpha.greeted, version 1.
type Greeted struct {
	Series time.Time `json:"series"`
	Name   string    `json:"name"`
	Count  int       `json:"count"` // of this name, absolute
	Total  int       `json:"total"` // of all names, absolute
}

// Sorted lists the names, the most greeted first.
func (c Count) Sorted() []Greeting {
	list := make([]Greeting, 0, len(c.Names))
	for name, n := range c.Names {
		list = append(list, Greeting{name, n})
	}
	slices.SortFunc(list, func(a, b Greeting) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// clone is a copy that may be changed.
func (c Count) clone() Count {
	names := make(map[string]int, len(c.Names)+1)
	maps.Copy(names, c.Names)
	c.Names = names
	return c
}

// join is what two counts add up to. Of one series, the one that is further
// has everything the other has. Two series began apart, after a loss, and hold
// different greetings.
func join(a, b Count) Count {
	switch {
	case a.Total == 0:
		return b
	case b.Total == 0:
		return a
	case a.Series.Equal(b.Series) && a.Total > b.Total:
		return a
	case a.Series.Equal(b.Series):
		return b
	}
	sum := a.clone()
	for name, n := range b.Names {
		sum.Names[name] += n
	}
	sum.Total += b.Total
	if b.Series.After(a.Series) {
		sum.Series = b.Series
	}
	return sum
}

// changed lists the names whose count differs from an older one's.
func (c Count) changed(old Count) []Greeting {
	var list []Greeting
	for _, g := range c.Sorted() {
		if old.Names[g.Name] != g.Count || !old.Series.Equal(c.Series) {
			list = append(list, g)
		}
	}
	return list
}

// maxName is the longest name in bytes.
const maxName = 64

// checkName cleans a name up and reports why it cannot be greeted.
func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", fmt.Errorf(`field "name": empty: whom should alpha greet?`)
	case len(name) > maxName:
		return "", fmt.Errorf(`field "name": %d bytes: at most %d are allowed`, len(name), maxName)
	case !utf8.ValidString(name):
		return "", fmt.Errorf(`field "name": not UTF-8`)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return "", fmt.Errorf(`field "name": %q cannot be printed: use letters, digits, spaces and signs`, r)
		}
	}
	return name, nil
}
