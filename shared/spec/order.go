package spec

import (
	"slices"
	"strings"
)

// Order sorts specs so that each stands behind those it depends on. Where
// several may come next, the least id does. Dependencies that are not among the
// specs hold nothing back. A cycle is an [*Error].
func Order(specs []Located) ([]Located, error) {
	waiting := sorted(specs)
	placed := make([]Located, 0, len(specs))
	missing := map[string]bool{}
	for _, s := range waiting {
		missing[string(s.ID)] = true
	}
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(s Located) bool {
			return !slices.ContainsFunc(s.Dependencies, func(d Dependency) bool { return missing[d.Service] })
		})
		if i < 0 {
			return nil, findCycle(waiting)
		}
		delete(missing, string(waiting[i].ID))
		placed = append(placed, waiting[i])
		waiting = slices.Delete(waiting, i, i+1)
	}
	return placed, nil
}

// findCycle returns an error with the path of one circle of dependencies, which
// begins at its least id, or nil. A service that depends on itself is one too.
func findCycle(specs []Located) error {
	byID := map[string]Located{}
	for _, s := range specs {
		byID[string(s.ID)] = s
	}
	done := map[string]bool{}
	var path []string
	var walk func(id string) []string
	walk = func(id string) []string {
		if i := slices.Index(path, id); i >= 0 {
			return slices.Clone(path[i:])
		}
		if done[id] {
			return nil
		}
		path = append(path, id)
		for _, d := range byID[id].DependsOn() {
			if _, ok := byID[d]; !ok {
				continue
			}
			if cycle := walk(d); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		done[id] = true
		return nil
	}
	for _, s := range sorted(specs) {
		if cycle := walk(string(s.ID)); cycle != nil {
			return describeCycle(cycle, byID)
		}
	}
	return nil
}

func describeCycle(cycle []string, byID map[string]Located) error {
	least := slices.Index(cycle, slices.Min(cycle))
	cycle = slices.Concat(cycle[least:], cycle[:least], cycle[least:least+1])
	first := byID[cycle[0]]
	i := slices.Index(first.DependsOn(), cycle[1])
	if len(cycle) == 2 {
		return first.Errorf(element("dependencies", i), "another service", "the service waits for itself: %s", strings.Join(cycle, " → "))
	}
	return first.Errorf(element("dependencies", i), "one of these dependencies removed", "the services wait for each other: %s", strings.Join(cycle, " → "))
}
