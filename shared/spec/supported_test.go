package spec

import (
	"errors"
	"strings"
	"testing"
)

// Documents about members that were not honoured from the beginning, by the row
// of notYet about them. One whose row is gone must be supported.
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

func TestNotYet(t *testing.T) {
	rows := map[string]bool{}
	for _, row := range notYet {
		for _, v := range row.values {
			rows[row.field+" "+v] = true
		}
		if row.values == nil {
			rows[row.field] = true
		}
	}
	for row := range rows {
		if laterMembers[row] == "" {
			t.Errorf("no document is about %s", row)
		}
	}
	for row, text := range laterMembers {
		s := parse(t, "a.json", `{"id": "a", `+text+`}`)
		err := Supported(s)
		var e *Error
		switch {
		case !rows[row] && err != nil:
			t.Errorf("%s: %v", row, err)
		case !rows[row]:
		case !errors.As(err, &e) || !strings.HasPrefix(e.Reason, "not supported yet: ") || e.Line < 1:
			t.Errorf("%s: %v", row, err)
		default:
			name, _, _ := strings.Cut(row, " ")
			if got := generic(e.Field); got != name {
				t.Errorf("%s: the error is about %s", row, got)
			}
		}
		if s.Process.Replicas > 1 {
			for _, r := range WithReplicas([]Located{s}) {
				if err := Supported(r); (err != nil) != rows[row] {
					t.Errorf("%s: %v", r.ID, err)
				}
			}
		}
	}
	// What spells a default out asks for nothing.
	same := parse(t, "a.json", `{"id": "a", "process": {"command": "x", "type": "service", "replicas": 1, "nice": 0}, "logging": {"maxFiles": 0}, "health": {"type": "none"}}`)
	if err := Supported(same); err != nil {
		t.Error(err)
	}
}
