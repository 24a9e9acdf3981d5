package spec

import (
	"errors"
	"strings"
	"testing"
)

// Documents about members that were not honoured from the beginning.
var laterMembers = map[string]string{
	"process.type cron":             `"process": {"command": "x", "type": "cron", "schedule": "@daily"}`,
	"process.envFile":               `"process": {"command": "x", "envFile": ["a"]}`,
	"process.replicas":              `"process": {"command": "x", "replicas": 2}`,
	"process.user":                  `"process": {"command": "x", "user": "nobody"}`,
	"process.group":                 `"process": {"command": "x", "group": 7}`,
	"process.umask":                 `"process": {"command": "x", "umask": "0027"}`,
	"process.limits":                `"process": {"command": "x", "limits": {"coreSize": 0}}`,
	"process.resources":             `"process": {"command": "x", "resources": {"cpuMax": 1}}`,
	"process.nice":                  `"process": {"command": "x", "nice": 1}`,
	"process.oomScoreAdjust":        `"process": {"command": "x", "oomScoreAdjust": 1}`,
	"process.reloadSignal":          `"process": {"command": "x", "reloadSignal": "HUP"}`,
	"process.preStart":              `"process": {"command": "x", "preStart": [{"command": ["y"]}]}`,
	"process.postStop":              `"process": {"command": "x", "postStop": [{"command": ["y"]}]}`,
	"process.ensure[].type file":    `"process": {"command": "x", "ensure": [{"type": "mkdir", "path": "/y"}, {"type": "file", "target": "/y"}]}`,
	"process.ensure[].type copy":    `"process": {"command": "x", "ensure": [{"type": "copy", "source": "y", "target": "/y"}]}`,
	"process.ensure[].type symlink": `"process": {"command": "x", "ensure": [{"type": "symlink", "source": "y", "target": "/y"}]}`,
	"process.ensure[].type download": `"process": {"command": "x", "ensure": [{"type": "download", "url": "http://y/", "target": "/y",
		"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}`,
	"process.ensure[].extract tar.gz": archive("tar.gz"),
	"process.ensure[].extract tar.xz": archive("tar.xz"),
	"process.ensure[].extract zip":    archive("zip"),
	"process.ensure[].outside":        `"process": {"command": "x", "ensure": [{"type": "mkdir", "path": "/y", "outside": true}]}`,
	"logging.maxSize":                 `"process": {"command": "x"}, "logging": {"maxSize": "1M"}`,
	"logging.maxFiles":                `"process": {"command": "x"}, "logging": {"maxFiles": 1}`,
	"logging.timestamps":              `"process": {"command": "x"}, "logging": {"timestamps": true}`,
	"logging.multiline":               `"process": {"command": "x"}, "logging": {"multiline": {"pattern": "y"}}`,
	"logging.rateLimit":               `"process": {"command": "x"}, "logging": {"rateLimit": {"lines": 1}}`,
	"health.type grpc":                `"process": {"command": "x"}, "health": {"type": "grpc", "endpoint": "a:1"}`,
	"health.type bus":                 `"process": {"command": "x"}, "health": {"type": "bus"}`,
	"health.type log":                 `"process": {"command": "x"}, "health": {"type": "log", "pattern": "y"}`,
	"health.liveness":                 `"process": {"command": "x"}, "health": {"liveness": {}}`,
	"health.readiness":                `"process": {"command": "x"}, "health": {"readiness": {"type": "none"}}`,
}

func archive(kind string) string {
	return `"process": {"command": "x", "ensure": [{"type": "download", "url": "http://y/", "target": "/y", "extract": "` + kind + `",
		"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}`
}

// What a build cannot do is refused by name; everything else it can.
func TestSupportedMembers(t *testing.T) {
	for member, text := range laterMembers {
		s := parse(t, "a.json", `{"id": "a", `+text+`}`)
		var e *Error
		switch err := Supported(s); {
		case strings.Contains(member, "extract"):
			if !errors.As(err, &e) || e.Field != "process.ensure[0].extract" || !strings.HasPrefix(e.Reason, "not supported yet: ") || e.Line < 1 {
				t.Errorf("%s: %v", member, err)
			}
		case err != nil:
			t.Errorf("%s: %v", member, err)
		}
	}
}
