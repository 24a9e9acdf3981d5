package supervisor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
)

// environ is a service's whole environment: what it inherits, what the platform
// tells it, then the files that its spec names, then what its spec says.
func (b *Services) environ(s spec.Located, instance string, as *account) ([]string, error) {
	id := string(s.ID)
	env := map[string]string{
		"CORE_NODE":       string(b.Node),
		"CORE_SERVICE":    id,
		"CORE_DATA_DIR":   b.Layout.Data(id),
		"CORE_CONFIG_DIR": b.Layout.Conf(id),
		"CORE_LOG_DIR":    b.Layout.Logs(),
	}
	if s.UsesBus() {
		env["CORE_BUS_URL"], env["CORE_BUS_SEED_FILE"] = b.BusURL, b.Layout.Seed(events.Source(id))
	}
	for _, name := range passed {
		if v := variable(b.Environ, name); v != "" {
			env[name] = v
		}
	}
	if as != nil && s.Process.User != "" {
		env["HOME"] = b.Layout.Data(id)
		if as.name != "" {
			env["HOME"], env["USER"], env["LOGNAME"] = as.home, as.name, as.name
		}
	}
	for i := range s.Process.EnvFile {
		vars, err := b.envFile(s, i)
		if err != nil {
			return nil, err
		}
		maps.Copy(env, vars)
	}
	maps.Copy(env, s.Process.Env)
	// The runner finds an instance again by it.
	env["CORE_INSTANCE"] = instance
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list, nil
}

// envFile reads one file of variables.
func (b *Services) envFile(s spec.Located, i int) (map[string]string, error) {
	field := fmt.Sprintf("process.envFile[%d]", i)
	path, optional := strings.CutPrefix(s.Process.EnvFile[i], "-")
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.Layout.Dir, path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) && optional:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, s.Errorf(field, "", "there is no file %s: write it, or put \"-\" in front of its name if it may be missing", path)
	case err != nil:
		return nil, s.Errorf(field, "", "%v", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > spec.MaxEnvFile {
		return nil, s.Errorf(field, "", "%s: want a file of at most %d bytes", path, spec.MaxEnvFile)
	}
	text, err := io.ReadAll(io.LimitReader(f, spec.MaxEnvFile))
	if err != nil {
		return nil, s.Errorf(field, "", "%v", err)
	}
	vars, err := spec.ParseEnvFile(path, text)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", field, s.ID, err)
	}
	return vars, nil
}

// attributes are those of a spec's process.
func attributes(s spec.Located, as *account) process.Attributes {
	p := s.Process
	a := process.Attributes{Limits: p.Limits, Resources: p.Resources, Nice: p.Nice, OOMScoreAdjust: p.OOMScoreAdjust}
	if as != nil {
		a.Account = &as.Account
	}
	if p.Umask != "" {
		a.Umask = new(uint32(p.Umask.Perm(0)))
	}
	return a
}
