// Package workspace reads the go.work of this repository and packs its modules
// into a file-system module proxy, for the tools that need either.
//
// # Usage
//
//	ws, err := workspace.Find(".")
//	err = ws.WriteProxy(dir)
//	env, err := ws.ProxyEnv(ctx, dir)
//
// # Concurrency
//
// A Workspace is a value.
package workspace
