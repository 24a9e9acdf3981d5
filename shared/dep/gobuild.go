package dep

import (
	"os"
	"path/filepath"
)

// GoBuild are the arguments with which the go command builds a package of a
// workspace. Whoever builds takes them and [GoEnviron], so that all share one
// build cache and the same sources give the same bytes. Without version-control
// stamps: they change the binary with every commit, and fail where git distrusts
// the directory's owner.
func GoBuild(output, asset string) []string {
	return []string{"build", "-v", "-trimpath", "-buildvcs=false", "-o", output, asset}
}

// GoEnviron are the variables, as KEY=value, that the go command gets beside
// those of its caller. What is built needs no C compiler and no C library, and
// is the same whether the machine has them or not; a caller who sets CGO_ENABLED
// has decided otherwise.
func GoEnviron(workspace string) []string {
	env := []string{"GOWORK=" + filepath.Join(workspace, "go.work")}
	if os.Getenv("CGO_ENABLED") == "" {
		env = append(env, "CGO_ENABLED=0")
	}
	return env
}
