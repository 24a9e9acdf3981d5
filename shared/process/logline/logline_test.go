package logline_test

import (
	"testing"
	"time"
	"unicode/utf8"

	"core.internal/shared/events"
	"core.internal/shared/process/logline"
)

func TestLevel(t *testing.T) {
	for text, want := range map[string]events.Level{
		// JSON
		`{"time":"2026-01-02T03:04:05.6Z","level":"INFO","msg":"up"}`:                     "info",
		`{"time":"2026-01-02T03:04:05.6Z","level":"WARN+2","msg":"hm"}`:                   "warn",
		`{"level":"error","ts":1767322800.5,"caller":"a.go:1","msg":"no"}`:                "error",
		`{"level":"dpanic","ts":1,"msg":"no"}`:                                            "fatal",
		`{"level":"warning","msg":"logrus","time":"2026-01-02T03:04:05Z"}`:                "warn",
		`{"name":"bunyan","hostname":"h","pid":1,"level":50,"msg":"no","time":"x","v":0}`: "error",
		`{"level":10,"time":1767322800000,"pid":1,"msg":"pino"}`:                          "trace",
		`{"version":"1.1","host":"h","short_message":"gelf","level":4}`:                   "warn",
		`{"severity":"CRITICAL","message":"stackdriver"}`:                                 "fatal",
		`{"@timestamp":"2026-01-02T03:04:05Z","Level":"Information","Message":"serilog"}`: "info",
		` {"level":"debug"}`:            "debug",
		`{"level":null,"lvl":"eror"}`:   "error",
		`{"level":"deep"}`:              "",
		`{"level":99}`:                  "",
		`{"level":-1}`:                  "",
		`{"level":9}`:                   "",
		`{"level":{"is":"no level"}}`:   "",
		`{"msg":"no level, but ERROR"}`: "",
		`{"level":"error","msg":"cut`:   "",
		// Pairs
		`time=2026-01-02T03:04:05.678Z level=INFO msg="slog text"`:    "info",
		`time="2026-01-02T03:04:05Z" level=warning msg="logrus text"`: "warn",
		`t=2026-01-02 lvl=eror msg=log15`:                             "error",
		`msg="said level=error" n=1`:                                  "",
		`sealevel=error`:                                              "",
		// Beginnings
		"INFO up":                               "info",
		"INFO: up":                              "info",
		"[INFO] up":                             "info",
		"[warn] up":                             "warn",
		"error: no such file":                   "error",
		"Warning: deprecated":                   "warn",
		"ERROR:root:python":                     "error",
		"WARNING  [alembic] slow":               "warn",
		"2026/01/02 03:04:05 INFO slog default": "info",
		"2026/01/02 03:04:05 plain log":         "",
		"2026-01-02 03:04:05,123 ERROR [main] log4j":             "error",
		"2026-01-02 03:04:05,123 - my.module - ERROR - python":   "error",
		"2026-01-02T03:04:05.678Z\tDEBUG\tzap/console.go:1\tup":  "debug",
		"2026/01/02 03:04:05 [error] 12#12: *1 nginx":            "error",
		"[2026-01-02T03:04:05Z WARN  my_crate::mod] env_logger":  "warn",
		"2026-01-02 03:04:05.678 UTC [123] LOG:  postgres is up": "info",
		"2026-01-02 03:04:05.678 UTC [123] FATAL:  no":           "fatal",
		"3:04PM INF zerolog console":                             "info",
		"3:04PM WRN zerolog console":                             "warn",
		"WARN[0012] logrus on a terminal":                        "warn",
		"I0102 03:04:05.678901       1 main.go:7] klog":          "info",
		"E0102 03:04:05.678901       1 main.go:7] klog":          "error",
		"<3>sd-daemon": "error",
		"<7>sd-daemon": "debug",
		"panic: runtime error: index out of range":           "fatal",
		"fatal error: all goroutines are asleep - deadlock!": "fatal",
		"Jan  2 03:04:05 ERROR syslog-like":                  "error",
		"CRITICAL disk":                                      "fatal",
		// Sentences
		"An error occurred":                    "",
		"error in a sentence":                  "",
		"info about it":                        "",
		"she said WARNING signs are good":      "",
		"GET /error 500":                       "",
		"logging in":                           "",
		"":                                     "",
		"   ":                                  "",
		"\xff\xfe":                             "",
		"[1] [2] [3] [4] [5] [6] [7] [8] INFO": "",
		"INFO first\nERROR second":             "info",
	} {
		if got := logline.Level(logline.Auto, text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
		if got := logline.Parse("", text).Level; got != want {
			t.Errorf("parsed, %q is %q, want %q", text, got, want)
		}
	}
	if got := logline.Level(logline.Text, `{"level":"error"}`); got != "" {
		t.Errorf("JSON as text is %q", got)
	}
	if got := logline.Level(logline.JSON, "ERROR no"); got != "" {
		t.Errorf("text as JSON is %q", got)
	}
}

func TestParse(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	local := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local).UTC()
	for text, want := range map[string]logline.Entry{
		`{"time":"2026-01-02T03:04:05Z","msg":"up"}`:        {Time: at, Message: "up"},
		`{"ts":1767323045.25,"message":"up"}`:               {Time: at.Add(250 * time.Millisecond), Message: "up"},
		`{"time":1767323045250,"msg":"up"}`:                 {Time: at.Add(250 * time.Millisecond), Message: "up"},
		`{"timestamp":"2026-01-02T04:04:05+01:00","msg":7}`: {Time: at},
		`{"@timestamp":"yesterday"}`:                        {},
		`{"time":3}`:                                        {},
		`time=2026-01-02T03:04:05Z msg="a \"b\""`:           {Time: at, Message: `a "b"`},
		`2026-01-02T03:04:05Z up`:                           {Time: at},
		`[2026-01-02T03:04:05Z] up`:                         {Time: at},
		`2026/01/02 03:04:05 up`:                            {Time: local},
		`2026-01-02 03:04:05,500 up`:                        {Time: local.Add(500 * time.Millisecond)},
		`2026-99-02 03:04:05 up`:                            {},
		`up`:                                                {},
	} {
		if got := logline.Parse(logline.Auto, text); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"level":30,"time":1e300}`, `level="x\`, "[2026-01-02T03:04:05Z] INFO", "<9>", "I0102 ", "a - b - ERROR", `{"level":7.9}`, "\xff level=\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, format := range []string{logline.Auto, logline.JSON, logline.Text, ""} {
			e := logline.Parse(format, s)
			if l := logline.Level(format, s); l != e.Level {
				t.Errorf("%q: level %q, parsed %q", s, l, e.Level)
			}
			switch e.Level {
			case "", events.LevelTrace, events.LevelDebug, events.LevelInfo, events.LevelWarn, events.LevelError, events.LevelFatal:
			default:
				t.Errorf("%q: level %q", s, e.Level)
			}
			if utf8.ValidString(s) && !utf8.ValidString(e.Message) {
				t.Errorf("%q: message %q", s, e.Message)
			}
		}
	})
}

func BenchmarkLevel(b *testing.B) {
	for name, text := range map[string]string{
		"json": `{"time":"2026-01-02T03:04:05.678Z","level":"INFO","msg":"request","method":"GET","path":"/a/b","status":200}`,
		"text": "2026-01-02 03:04:05,123 INFO [main] request GET /a/b 200",
		"none": "just a line that says nothing about how severe it is, and goes on for a while",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				logline.Level(logline.Auto, text)
			}
		})
	}
}
