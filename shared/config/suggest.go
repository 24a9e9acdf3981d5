package config

// Suggest returns the word among some that is nearest to a misspelt one, empty
// where none is near: one letter may be wrong in a short word, two in a longer
// one, a third of a long one. Of several that are as near, it is the first.
func Suggest(word string, among []string) string {
	best, least := "", tolerance(word)+1
	for _, candidate := range among {
		if apart := len(candidate) - len(word); max(apart, -apart) >= least {
			continue // too different in length alone
		}
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

func tolerance(word string) int {
	switch n := len(word); {
	case n < 2:
		return 0
	case n < 4:
		return 1
	default:
		return max(2, n/3)
	}
}

// distance is the optimal string alignment distance: insertions, deletions,
// substitutions and swaps of neighbours.
func distance(a, b string) int {
	previous, current := []int(nil), make([]int, len(b)+1)
	for j := range current {
		current[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before := previous
		previous, current = current, make([]int, len(b)+1)
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
	}
	return current[len(b)]
}
