package controller

import (
	"cmp"
	"container/heap"
	"slices"
)

// Order sorts inputs so that each stands after its dependencies, ties by id;
// what would go round in a circle stands at the end, by id. Dependencies that
// are no inputs do not count.
func Order(in []Input) []Input {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b Input) int { return cmp.Compare(a.ID, b.ID) })
	index := make(map[string]int, len(in))
	for i := range in {
		index[in[i].ID] = i
	}
	left := make([]int, len(in)) // dependencies not yet placed
	dependents := make([][]int, len(in))
	for i := range in {
		for _, d := range in[i].Dependencies {
			if j, ok := index[d.Service]; ok {
				left[i]++
				dependents[j] = append(dependents[j], i)
			}
		}
	}
	var ready ints
	for i, n := range left {
		if n == 0 {
			ready = append(ready, i)
		}
	}
	out := make([]Input, 0, len(in))
	placed := make([]bool, len(in))
	for len(ready) > 0 {
		i := heap.Pop(&ready).(int)
		out, placed[i] = append(out, in[i]), true
		for _, j := range dependents[i] {
			if left[j]--; left[j] == 0 {
				heap.Push(&ready, j)
			}
		}
	}
	for i := range in {
		if !placed[i] {
			out = append(out, in[i])
		}
	}
	return out
}

// ints is a heap of indices into inputs sorted by id.
type ints []int

func (h ints) Len() int           { return len(h) }
func (h ints) Less(i, j int) bool { return h[i] < h[j] }
func (h ints) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ints) Push(x any)        { *h = append(*h, x.(int)) }
func (h *ints) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
