package importer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"core.internal/shared/spec"
)

// timers makes the services of timers cron jobs.
func (b *batch) timers() {
	for _, s := range b.units {
		dot := strings.LastIndexByte(s.name, '.')
		name, kind := s.name[:dot], s.name[dot+1:]
		if kind != "Timer" {
			for _, k := range s.keys {
				if k.name != "Description" && k.name != "WantedBy" {
					b.note(nil, k.at, "not carried over: specs have nothing for it", "")
				}
			}
			continue
		}
		if k, ok := s.get("Unit"); ok {
			name = strings.TrimSuffix(k.text, ".service")
		}
		d := b.find(name)
		if d == nil {
			for _, k := range s.keys {
				b.note(nil, k.at, name+".service was not imported: nothing is there to run at times", "import it beside its timer")
			}
			continue
		}
		done := false
		for _, k := range s.keys {
			done = d.timer(k, done) || done
		}
		if !done {
			d.idle(s.at)
		}
	}
}

// idle keeps a job without a schedule from running with the node.
func (d *draft) idle(a at) {
	d.set(a, func(s *spec.Service) { s.Profiles = nil })
	d.note(a, "no schedule was carried over: the service is not enabled, so that it does not run at once", "set process.schedule and profiles")
}

// timer reads one line of [Timer], and reports whether it is the schedule.
func (d *draft) timer(k setting, done bool) bool {
	a := k.at
	switch k.name {
	case "Unit":
	case "OnCalendar":
		schedule, zone, why := calendar(k.text)
		switch {
		case done:
			d.note(a, "a job has one schedule", "write one that says both, or a second spec")
		case why != "":
			d.note(a, why, "write process.schedule in the five fields of cron")
		case d.cron(a, schedule) && zone != "":
			return d.set(a, func(s *spec.Service) { s.Process.Timezone = zone })
		default:
			if zone == "" {
				d.note(a, "times are those of UTC if process.timezone names no other zone; systemd takes the machine's", "name it there")
			}
			return d.spec.Process.Schedule == schedule
		}
	case "OnUnitActiveSec", "OnUnitInactiveSec":
		v, ok := timeSpan(k.text)
		if done || !ok {
			d.note(a, "a job has one schedule", "")
			return false
		}
		d.note(a, "the time is counted from the start of the node", "")
		return d.cron(a, "@every "+v.String())
	case "Persistent":
		if on, _ := truth(k.text); on {
			d.note(a, "a run that was missed while the node was down is not made up for", "")
		}
	default:
		d.unknown(a)
	}
	return false
}

// calendarWords are those of systemd.time(7), in the fields of cron.
var calendarWords = map[string]string{
	"minutely": "* * * * *", "hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 1", "monthly": "0 0 1 * *",
	"yearly": "0 0 1 1 *", "annually": "0 0 1 1 *", "quarterly": "0 0 1 1,4,7,10 *", "semiannually": "0 0 1 1,7 *",
}

var (
	weekdayPart = regexp.MustCompile(`^(?i:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*(?:(?:\.\.|,)|$))+$`)
	datePart    = regexp.MustCompile(`^(?:([^-:]+)-)?([^-:]+)-([^-:]+)$`)
	zonePart    = regexp.MustCompile(`^(?:UTC|[A-Z][A-Za-z]+(?:/[A-Za-z0-9_+-]+)+)$`)
	numbers     = regexp.MustCompile(`^(?:\*|\d{1,2}(?:\.\.\d{1,2})?)(?:/\d{1,2})?(?:,\d{1,2}(?:\.\.\d{1,2})?(?:/\d{1,2})?)*$`)
)

// calendar turns an expression of systemd.time(7) into five fields of cron and a
// time zone; why says what cron cannot say.
func calendar(text string) (schedule, zone, why string) {
	fields := strings.Fields(text)
	if n := len(fields); n > 0 && zonePart.MatchString(fields[n-1]) {
		zone, fields = fields[n-1], fields[:n-1]
	}
	if len(fields) == 1 {
		if s, ok := calendarWords[strings.ToLower(fields[0])]; ok {
			return s, zone, ""
		}
	}
	days, dates, clock := "*", []string{"*", "*"}, []string{"0", "0"}
	if len(fields) > 0 && weekdayPart.MatchString(fields[0]) {
		var ok bool
		if days, ok = weekdays(fields[0]); !ok {
			return "", "", "no days of the week that are known"
		}
		fields = fields[1:]
	}
	if len(fields) > 0 && datePart.MatchString(fields[0]) {
		m := datePart.FindStringSubmatch(fields[0])
		if m[1] != "" && m[1] != "*" {
			return "", "", "cron knows no years"
		}
		dates, fields = []string{m[2], m[3]}, fields[1:]
	}
	if len(fields) > 0 && strings.Contains(fields[0], ":") {
		parts := strings.Split(fields[0], ":")
		if len(parts) == 3 && strings.Trim(parts[2], "0") != "" || len(parts) > 3 {
			return "", "", "cron knows no seconds"
		}
		clock, fields = parts[:2], fields[1:]
	}
	if len(fields) > 0 || text == "" {
		return "", "", "not of the form that is understood: days, date and time"
	}
	if days != "*" && dates[1] != "*" {
		return "", "", "cron runs on either of a day of the month and a day of the week, not only where both hold"
	}
	all := []string{clock[1], clock[0], dates[1], dates[0]}
	for i, part := range all {
		if !numbers.MatchString(part) {
			return "", "", "cron has nothing for " + strconv.Quote(shorten(part))
		}
		all[i] = strings.ReplaceAll(cronNumbers(part), "..", "-")
	}
	return strings.Join(append(all, days), " "), zone, ""
}

// cronNumbers takes zeros in front away, which cron would not mind but people do.
func cronNumbers(part string) string {
	return regexp.MustCompile(`\d+`).ReplaceAllStringFunc(part, func(n string) string {
		if n = strings.TrimLeft(n, "0"); n == "" {
			n = "0"
		}
		return n
	})
}

// weekdays turns Mon..Fri or Mon,Wed into numbers.
func weekdays(text string) (string, bool) {
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	full := []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	number := func(day string) (int, bool) {
		day = strings.ToLower(day)
		i := max(slices.Index(names, day), slices.Index(full, day))
		return i, i >= 0
	}
	var list []string
	for _, part := range strings.Split(text, ",") {
		first, last, span := strings.Cut(part, "..")
		if !span {
			last = first
		}
		from, ok := number(first)
		to, ok2 := number(last)
		if !ok || !ok2 {
			return "", false
		}
		for n := from; ; n = (n + 1) % 7 {
			list = append(list, strconv.Itoa(n))
			if n == to {
				break
			}
		}
	}
	return strings.Join(list, ","), true
}

var spanPart = regexp.MustCompile(`^\s*(\d+(?:\.\d+)?)\s*([a-zµ]*)`)

// timeSpan reads a time span of systemd.time(7): numbers with units, seconds if
// there is none.
func timeSpan(text string) (spec.Duration, bool) {
	units := map[string]float64{
		"": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600,
		"d": 86400, "day": 86400, "days": 86400, "w": 604800, "week": 604800, "weeks": 604800, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "usec": 1e-6, "µs": 1e-6,
	}
	total := 0.0
	rest := strings.TrimSpace(text)
	if rest == "" {
		return 0, false
	}
	for rest != "" {
		m := spanPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, false
		}
		unit, known := units[m[2]]
		n, err := strconv.ParseFloat(m[1], 64)
		if !known || err != nil {
			return 0, false
		}
		total += n * unit
		rest = strings.TrimSpace(rest[len(m[0]):])
	}
	if total > 100*365*86400 {
		return 0, false
	}
	return spec.Duration(total*1e6) * 1000, true
}
