package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ReplicaID is the id of one replica of a service, counted from 0.
func ReplicaID(id ServiceID, i int) ServiceID { return id + ServiceID("-"+strconv.Itoa(i)) }

// WithReplicas returns specs in which every one that asks for several replicas
// is replaced by that many specs, each of a service of its own: <id>-0, <id>-1,
// …, with ReplicaOf and Replica set. Who depends on such a service depends on
// all of its replicas. The digest of a replica does not depend on how many there
// are. Specs are expected to have passed [Check]; where an id is there twice
// nevertheless, the spec that has it itself is kept. The result is sorted by id.
func WithReplicas(specs []Located) []Located {
	count := map[string]int{}
	taken := map[ServiceID]bool{}
	for _, s := range specs {
		if n := s.Process.Replicas; n > 1 {
			count[string(s.ID)] = n
		} else {
			taken[s.ID] = true
		}
	}
	var list []Located
	for _, s := range sorted(specs) {
		depends := withReplicas(s.Dependencies, count)
		if s.Process.Replicas <= 1 {
			s.Dependencies = depends
			list = append(list, s)
			continue
		}
		for i := range s.Process.Replicas {
			r := s.replica(i)
			if taken[r.ID] {
				continue
			}
			taken[r.ID] = true
			r.Dependencies = slices.Clone(depends)
			list = append(list, r)
		}
	}
	return sorted(list)
}

// replica is one replica's spec.
func (s Located) replica(i int) Located {
	r := s
	r.Service = s.Service.clone()
	r.ID, r.ReplicaOf, r.Replica = ReplicaID(s.ID, i), s.ID, i
	r.Process.Replicas = 0
	if s.DisplayName != "" {
		r.DisplayName = fmt.Sprintf("%s %d", s.DisplayName, i)
	}
	if s.Caddy.Expose && len(s.Caddy.Routes) == 0 {
		r.Caddy.Routes = []Route{defaultRoute(s.ID)}
	}
	r.Digest = digest(r.Service)
	return r
}

// withReplicas replaces dependencies on services of several replicas. It
// returns list itself where there are none.
func withReplicas(list []Dependency, count map[string]int) []Dependency {
	if !slices.ContainsFunc(list, func(d Dependency) bool { return count[d.Service] > 1 }) {
		return list
	}
	var all []Dependency
	for _, d := range list {
		n := count[d.Service]
		if n <= 1 {
			all = append(all, d)
		}
		for i := range n {
			if n > 1 {
				all = append(all, Dependency{Service: string(ReplicaID(ServiceID(d.Service), i)), Condition: d.Condition})
			}
		}
	}
	return all
}

// replicaClashes finds specs that would become services of one id.
func replicaClashes(specs []Located) []error {
	var errs []error
	byID := map[ServiceID]Located{}
	for _, s := range specs {
		byID[s.ID] = s
	}
	for _, s := range specs {
		// The id "a-1-0" may be a replica of "a-1" or of nothing else: the
		// number is what stands behind the last '-'.
		base, number, ok := cutLast(string(s.ID))
		other, known := byID[ServiceID(base)]
		i, err := strconv.Atoi(number)
		if !ok || !known || err != nil || i >= other.Process.Replicas || other.Process.Replicas <= 1 || string(ReplicaID(other.ID, i)) != string(s.ID) {
			continue
		}
		errs = append(errs, s.Errorf("id", "an id of its own", "%q is the id of a replica of %s already (%s)", s.ID, other.ID, other.position("process.replicas")))
	}
	return errs
}

func cutLast(id string) (base, number string, ok bool) {
	i := strings.LastIndexByte(id, '-')
	if i < 0 {
		return id, "", false
	}
	return id[:i], id[i+1:], true
}
