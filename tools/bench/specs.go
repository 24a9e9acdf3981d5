package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// profile is that of the services that are measured; those of the workspace are
// not in it.
const profile = "bench"

// member is an object of a spec.
type member map[string]any

// daemonSpec is the spec of a command that runs until it is stopped, and is
// started again however often it ends.
func daemonSpec(command []string) member {
	return member{
		"process": member{
			"command": command[0], "args": command[1:],
			"restartPolicy": member{"policy": "always", "budget": member{"restarts": 10000}},
		},
		"profiles": []string{profile},
	}
}

// writeSpec puts a spec where a node finds it with --specs.
func writeSpec(dir, id string, spec member) error {
	spec["id"] = id
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, id+".json"), text, 0o644)
}

// serviceName is the id of the i-th service.
func serviceName(i int) string { return fmt.Sprintf("s%d", i) }
