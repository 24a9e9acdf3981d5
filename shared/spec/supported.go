package spec

import "slices"

// Supported reports, as an [*Error], why this build cannot run the service; a
// spec may say more than every build can do.
func Supported(s Located) error {
	if s.Dep != nil && !slices.Contains(Sources(), s.Dep.Source) {
		var able []string
		for _, source := range Sources() {
			able = append(able, string(source))
		}
		return s.Errorf("dep.source", alternatives(able), "not supported yet: %q", s.Dep.Source)
	}
	for i, e := range s.Process.Ensure {
		if e.Extract != "" && e.Extract != "none" {
			return s.Errorf(element("process.ensure", i)+".extract", "", "not supported yet: %q", e.Extract)
		}
	}
	return nil
}
