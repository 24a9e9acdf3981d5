package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// PrimaryPort is the name of the primary port.
const PrimaryPort = "primary"

// AllPorts lists the service's ports, the primary one first.
func (s Service) AllPorts() []NamedPort {
	var list []NamedPort
	if s.Ports.Primary != nil {
		list = append(list, NamedPort{Name: PrimaryPort, Port: *s.Ports.Primary})
	}
	return append(list, s.Ports.Additional...)
}

// Bounds are the first and the last port of the range; ok is false where there
// is none.
func (p Port) Bounds() (first, last int, ok bool) { return parseRange(p.Range) }

func parseRange(text string) (first, last int, ok bool) {
	low, high, found := strings.Cut(text, "-")
	a, errA := strconv.ParseUint(low, 10, 16)
	b, errB := strconv.ParseUint(high, 10, 16)
	ok = found && errA == nil && errB == nil && 0 < a && a <= b && len(low) < 6 && len(high) < 6
	return int(a), int(b), ok
}

// key is equal for ports that cannot be had by two.
func (p Port) key() string {
	network := "tcp"
	if p.Protocol == "udp" {
		network = "udp"
	}
	return network + " " + strconv.Itoa(p.Port)
}

// InProfile reports whether one of the profiles enables the service.
func (s Service) InProfile(profiles []string) bool {
	return slices.ContainsFunc(s.Profiles, func(p string) bool { return slices.Contains(profiles, p) })
}

// WithDefaults returns a copy in which every member that has a default is set.
// Defaults may have placeholders.
func (s Service) WithDefaults() Service {
	s = s.clone()
	s.DisplayName = first(s.DisplayName, string(s.ID))
	s.Process.WorkingDir = first(s.Process.WorkingDir, "{shared.config.dataDir}")
	s.Logging.Stdout = first(s.Logging.Stdout, "{shared.log.dir}/"+string(s.ID)+".log")
	primary := s.primaryAddress()
	for _, p := range s.Health.probes() {
		if p.Endpoint != "" || s.Ports.Primary == nil {
			continue
		}
		switch p.Type {
		case HealthHTTP:
			p.Endpoint = "http://" + primary + "/"
		case HealthTCP, HealthGRPC:
			p.Endpoint = primary
		}
	}
	if s.Caddy.Expose && len(s.Caddy.Routes) == 0 {
		s.Caddy.Routes = []Route{defaultRoute(s.ID)}
	}
	for _, r := range s.Caddy.Routes {
		for i := range r.Handle {
			if len(r.Handle[i].Upstreams) == 0 {
				r.Handle[i].Upstreams = []string{primary}
			}
		}
	}
	visit(reflect.ValueOf(&s).Elem(), "", func(parent reflect.Value, m field, v reflect.Value, _ string) {
		applies := !m.when.some() || slices.Contains(m.when.is, effective(parent, m.when.sibling))
		if m.def != "" && v.IsZero() && applies {
			setDefault(v, m.def)
		}
	})
	return s
}

// primaryAddress is where the primary port is reached from this machine.
func (s Service) primaryAddress() string {
	host := "127.0.0.1"
	if p := s.Ports.Primary; p != nil && p.Host != "" && p.Host != "0.0.0.0" {
		host = p.Host
	}
	if host == "::" {
		host = "::1"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":{ports." + PrimaryPort + "}"
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// setDefault sets a member to what its tag says.
func setDefault(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		v.SetInt(int64(number(text)))
	case reflect.Float64:
		v.SetFloat(float64(number(text)))
	case reflect.Int64: // one of the scalars that may be a text
		if err := json.Unmarshal([]byte(strconv.Quote(text)), v.Addr().Interface()); err != nil {
			panic("spec tag: " + err.Error())
		}
	default:
		panic("spec tag: no default for a " + v.Kind().String())
	}
}

// clone copies all that the service refers to.
func (s Service) clone() Service {
	detach(reflect.ValueOf(&s).Elem())
	return s
}

// detach replaces what v refers to by copies. The fields of these types are all
// exported, or refer to nothing.
func detach(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				detach(f)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			c := reflect.New(v.Type().Elem())
			c.Elem().Set(v.Elem())
			detach(c.Elem())
			v.Set(c)
		}
	case reflect.Slice:
		if !v.IsNil() {
			c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(c, v)
			for i := range c.Len() {
				detach(c.Index(i))
			}
			v.Set(c)
		}
	case reflect.Map:
		if !v.IsNil() {
			c := reflect.MakeMapWithSize(v.Type(), v.Len())
			for key, value := range v.Seq2() {
				c.SetMapIndex(key, value)
			}
			v.Set(c)
		}
	}
}

// digest identifies what a spec says.
func digest(s Service) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("digest of a spec: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
