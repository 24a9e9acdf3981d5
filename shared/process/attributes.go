package process

import "core.internal/shared/spec"

// Attributes are what a process is given beside its command. The zero value
// leaves everything as the supervisor has it.
type Attributes struct {
	Account *Account `json:"account,omitempty"` // the supervisor's own if nil
	// Umask is what files it makes do not get; the supervisor's if nil.
	Umask          *uint32         `json:"umask,omitempty"`
	Limits         *spec.Limits    `json:"limits,omitempty"`
	Resources      *spec.Resources `json:"resources,omitempty"`
	Nice           int             `json:"nice,omitempty"`
	OOMScoreAdjust int             `json:"oom_score_adjust,omitempty"`
}

// Account is a user as the kernel knows it.
type Account struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	// Groups are the supplementary groups; those of the supervisor where
	// KeepGroups says so.
	Groups     []uint32 `json:"groups,omitempty"`
	KeepGroups bool     `json:"keep_groups,omitempty"`
}

// Some reports whether anything is asked for.
func (a Attributes) Some() bool { return a != Attributes{} }

// Wrapped reports whether the process must be prepared from inside, before its
// program takes over: no attribute of a fork says these.
func (a Attributes) Wrapped() bool {
	return a.Umask != nil || a.Limits != nil || a.Nice != 0 || a.OOMScoreAdjust != 0
}
