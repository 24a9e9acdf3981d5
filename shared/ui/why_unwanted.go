package ui

import (
	"cmp"
	"fmt"
	"strings"

	"core.internal/shared/state"
)

// unwanted says who does not want it.
func (x *explainer) unwanted(v state.Service, depth int) {
	text, decided := "it is not wanted", x.disabled(v)
	switch {
	case v.Desired.Enabled:
		text += " until it is started or the next boot"
	case decided != "":
	case v.State == state.ServiceIdle && len(v.Registered.Profiles) > 0:
		text += fmt.Sprintf(": nobody enabled it, and it belongs to the profiles %s only", strings.Join(v.Registered.Profiles, ", "))
	case v.State == state.ServiceIdle:
		text += ": nobody enabled it"
	}
	x.say(depth, v.ID, Idle, "%s", text)
	if v.ID == x.id {
		d, ok := x.h.unwanted()
		if cause := x.h.cause(d); cause != "" || ok && decided == "" {
			nobody := "the profile or the boot says so"
			if v.Desired.Enabled {
				nobody = "the bus has forgotten who asked for that"
			}
			decided = fmt.Sprintf("%s, %s", cmp.Or(cause, nobody), x.ago(d.Time))
		}
	}
	if decided != "" {
		x.say(depth, v.ID, Idle, "%s", decided)
	}
	if v.Reason != "" && v.Reason != "not wanted" {
		x.say(depth, v.ID, Idle, "it was stopped %s: %s", x.ago(v.Since), v.Reason)
	}
	if goingDown(x.s) {
		x.say(depth, v.ID, Warn, "the node is going down")
	}
}

// disabled says who disabled it, in this boot or an earlier one; empty where nobody
// did.
func (x *explainer) disabled(v state.Service) string {
	d := x.o.Decided
	if v.ID != x.id || v.Desired.Enabled || d == nil || d.Enabled {
		return ""
	}
	return "disable was asked for" + byWhom(d.By) + ", " + x.ago(d.At)
}
