package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"core.internal/shared/config"
	"core.internal/shared/events"
)

// Decision is what operators decided about a service; what they did not is nil.
func (r *Registry) Decision(id events.Entity) config.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.decided[id]
}

// Damaged is why the file of the decisions cannot be used, a
// [*config.DecisionsError]; nil if it can. Nothing that is decided is recorded
// then, and it is not known what was: but what the bus still has of it counts.
func (r *Registry) Damaged() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.damaged
}

// Decided lists the services about which something is decided, sorted.
func (r *Registry) Decided() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, 0, len(r.decided))
	for id := range r.decided {
		ids = append(ids, string(id))
	}
	slices.Sort(ids)
	return ids
}

// Decide changes what is decided about services and returns when that is on the
// disk; where it changes nothing, at once. After an error nothing has changed.
func (r *Registry) Decide(ids []events.Entity, change func(events.Entity, *config.Decision)) error {
	r.deciding.Lock()
	defer r.deciding.Unlock()
	return r.decide(func(all map[events.Entity]config.Decision) {
		for _, id := range ids {
			d := all[id]
			if change(id, &d); d.Enabled == nil && d.Running == nil {
				delete(all, id)
			} else {
				all[id] = d
			}
		}
	})
}

// EndBoot forgets what holds only until the node goes down.
func (r *Registry) EndBoot() error {
	r.deciding.Lock()
	defer r.deciding.Unlock()
	return r.decide(func(all map[events.Entity]config.Decision) { config.Decisions{Services: all}.EndBoot() })
}

// decide is called with deciding held.
func (r *Registry) decide(change func(map[events.Entity]config.Decision)) error {
	r.mu.Lock()
	before, damaged, serial := r.decided, r.damaged, r.serial
	r.mu.Unlock()
	after := maps.Clone(before)
	change(after)
	if reflect.DeepEqual(before, after) {
		return nil
	}
	if damaged != nil {
		f, err := config.ReadDecisions(r.layout) // it may have been put right, or away
		if err != nil {
			return err
		}
		after = maps.Clone(before)
		maps.Copy(after, r.ofThisBoot(f))
		change(after)
		serial = max(serial, f.Serial)
	}
	serial = number(before, after, serial+1)
	if err := config.WriteDecisions(r.layout, config.Decisions{Boot: r.boot, Serial: serial, Services: after}); err != nil {
		return err
	}
	r.mu.Lock()
	r.decided, r.damaged, r.serial = after, nil, serial
	r.mu.Unlock()
	return r.publishDecisions(before, after)
}

// number gives the serial to what is decided anew about Enabled, and returns that of the
// latest decision. What is decided no more has none, but counts.
func number(before, after map[events.Entity]config.Decision, serial uint64) uint64 {
	anew := func(a, b config.Decision) bool {
		return a.By != b.By || !a.At.Equal(b.At) || (a.Enabled == nil) != (b.Enabled == nil) || a.Enabled != nil && *a.Enabled != *b.Enabled
	}
	latest := serial - 1
	for id, d := range after {
		if anew(before[id], d) {
			d.Serial = 0
			if d.Enabled != nil {
				d.Serial = serial
			}
			after[id], latest = d, serial
		}
	}
	for id, d := range before {
		if _, still := after[id]; !still && d.Enabled != nil {
			latest = serial
		}
	}
	return latest
}

// publishDecisions makes the bucket have what was decided.
func (r *Registry) publishDecisions(before, after map[events.Entity]config.Decision) error {
	for id := range before {
		if after[id].Enabled == nil {
			r.put(r.desired(id), nil)
		}
	}
	for id, d := range after {
		if d.Enabled == nil {
			continue
		}
		value, err := json.Marshal(events.Desired{Enabled: *d.Enabled, By: d.By, At: d.At, Serial: d.Serial})
		if err != nil {
			return fmt.Errorf("publish what is wanted of %s: %w", id, err)
		}
		r.put(r.desired(id), value)
	}
	return nil
}

func (r *Registry) desired(id events.Entity) entry {
	return entry{events.BucketDesired, events.DesiredKey(r.node, id)}
}

// recall makes what is known of decisions one: the file has it, unless the bus was
// told something later, as where the file is from an earlier life of the node.
func (r *Registry) recall() error {
	f, err := config.ReadDecisions(r.layout)
	if err != nil {
		r.log.Error("operators' decisions cannot be read, nor new ones be recorded: what the bus has of them counts", "error", err)
	}
	r.mu.Lock()
	all := map[events.Entity]config.Decision{}
	for id, d := range r.ofThisBoot(f) {
		all[id] = d
	}
	known, serial := map[events.Entity]config.Decision{}, f.Serial
	for e, v := range r.values {
		if e.bucket != events.BucketDesired {
			continue
		}
		id := events.Entity(strings.TrimPrefix(e.key, events.DesiredKey(r.node, "")))
		known[id] = config.Decision{}
		var d events.Desired
		if jerr := json.Unmarshal(v, &d); jerr != nil {
			r.log.Warn("what was wanted of a service is not understood", "service", id, "error", jerr)
			continue
		}
		known[id] = config.Decision{Enabled: &d.Enabled}
		serial = max(serial, d.Serial)
		later := d.Serial > f.Serial
		if d.Serial == 0 || f.Serial == 0 { // somebody else's: times are all there is
			later = r.stored[e].After(f.Written)
		}
		if later {
			decided := all[id]
			decided.Enabled, decided.By, decided.At, decided.Serial = &d.Enabled, d.By, d.At, d.Serial
			all[id] = decided
		}
	}
	r.decided, r.damaged, r.stored, r.serial = all, err, nil, serial
	r.mu.Unlock()
	return r.publishDecisions(known, all)
}

// ofThisBoot are the decisions of a file that hold in this boot of the machine.
func (r *Registry) ofThisBoot(f config.Decisions) map[events.Entity]config.Decision {
	all := map[events.Entity]config.Decision{}
	for id, d := range f.Services {
		if f.Boot != r.boot {
			d.Running = nil
		}
		if d.Enabled == nil {
			d.By, d.At, d.Serial = "", time.Time{}, 0 // somebody took it out and left these
		}
		if d != (config.Decision{}) {
			all[id] = d
		}
	}
	return all
}

// machineBoot identifies this boot of the machine; empty where nothing does.
func machineBoot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
