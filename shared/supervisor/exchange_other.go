//go:build !linux

package supervisor

// exchange puts what is at temp, beside the target, and what is at the target in each
// other's place.
func (p *preparer) exchange(at place, temp string) error { return p.exchangeByTurns(at, temp) }
