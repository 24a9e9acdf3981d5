package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
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
	if s.Health.Endpoint == "" && s.Ports.Primary != nil {
		switch s.Health.Type {
		case HealthHTTP:
			s.Health.Endpoint = "http://" + primaryAddress + "/"
		case HealthTCP:
			s.Health.Endpoint = primaryAddress
		}
	}
	if s.Caddy.Expose && len(s.Caddy.Routes) == 0 {
		s.Caddy.Routes = []Route{{
			Match:  []string{fmt.Sprintf("host(`%s`)", defaultHost(s.ID))},
			Handle: []Handler{{Handler: "reverse_proxy"}},
		}}
	}
	for _, r := range s.Caddy.Routes {
		for i := range r.Handle {
			if len(r.Handle[i].Upstreams) == 0 {
				r.Handle[i].Upstreams = []string{primaryAddress}
			}
		}
	}
	visit(reflect.ValueOf(&s).Elem(), "", func(_ reflect.Value, m field, v reflect.Value, _ string) {
		if m.def != "" && v.IsZero() {
			setDefault(v, m.def)
		}
	})
	return s
}

const primaryAddress = "127.0.0.1:{ports." + PrimaryPort + "}"

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
	case reflect.Int64:
		d, err := ParseDuration(text)
		if err != nil {
			panic("spec tag: " + err.Error())
		}
		v.SetInt(int64(d))
	default:
		panic("spec tag: no default for a " + v.Kind().String())
	}
}

// clone copies all that the service refers to.
func (s Service) clone() Service {
	var c Service
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil { // every value of these types has a JSON form
		panic("copy a spec: " + err.Error())
	}
	return c
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
