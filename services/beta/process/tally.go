package process

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Greeted is what beta reads of the fact alpha.greeted, version 1.
type Greeted struct {
	Series time.Time `json:"series"`
	Name   string    `json:"name"`
	Count  int       `json:"count"`
	Total  int       `json:"total"`
}

// Counts are the counts of one series: what the bucket holds, as JSON.
type Counts struct {
	Series time.Time      `json:"series"`
	Names  map[string]int `json:"names"`
}

// Greeting is one name's count.
type Greeting struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Total adds all names up.
func (c Counts) Total() int {
	sum := 0
	for _, n := range c.Names {
		sum += n
	}
	return sum
}

// Sorted lists the names, the most greeted first.
func (c Counts) Sorted() []Greeting {
	list := make([]Greeting, 0, len(c.Names))
	for name, n := range c.Names {
		list = append(list, Greeting{name, n})
	}
	slices.SortFunc(list, func(a, b Greeting) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// with is the counts after a fact, and whether it said anything new.
func (c Counts) with(g Greeted) (Counts, bool) {
	return c.join(Counts{g.Series, map[string]int{g.Name: g.Count}})
}

// join is the later of two series, and of one series for each name the higher
// count; also whether that is more than c.
func (c Counts) join(other Counts) (Counts, bool) {
	switch {
	case len(other.Names) == 0 || other.Series.Before(c.Series):
		return c, false
	case other.Series.After(c.Series):
		return other, true
	}
	var names map[string]int
	for name, n := range other.Names {
		if n <= c.Names[name] {
			continue
		}
		if names == nil {
			names = maps.Clone(c.Names)
		}
		names[name] = n
	}
	if names == nil {
		return c, false
	}
	return Counts{c.Series, names}, true
}

// Tally is the counts as beta knows them.
type Tally struct {
	mu     sync.Mutex
	counts Counts // guarded by mu; its map is never written to
}

// NewTally returns a tally of nothing.
func NewTally() *Tally { return &Tally{} }

// Counts are the counts as they stand.
func (t *Tally) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

func (t *Tally) set(c Counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts = c
}
