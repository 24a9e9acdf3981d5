package events

// Facts that procd states about the dependency of a service when it is not there
// yet; the entity is the service.
type (
	// DepInstalling is the intent to install a binary.
	DepInstalling struct {
		Name    string `json:"name"` // of the binary
		Version string `json:"version,omitempty"`
		Source  string `json:"source"` // as in the spec
	}
	// DepInstalled says that the binary is there.
	DepInstalled struct {
		Name    string  `json:"name"`
		Version string  `json:"version,omitempty"`
		Source  string  `json:"source"`
		TookMS  float64 `json:"took_ms"`
	}
	// DepFailed says why the binary is not there.
	DepFailed struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
		Source  string `json:"source"`
		Reason  string `json:"reason"`
	}
)

func (DepInstalling) EventType() Type { return "dep.installing" }
func (DepInstalled) EventType() Type  { return "dep.installed" }
func (DepFailed) EventType() Type     { return "dep.failed" }

func (DepInstalling) EventVersion() int { return 1 }
func (DepInstalled) EventVersion() int  { return 1 }
func (DepFailed) EventVersion() int     { return 1 }
