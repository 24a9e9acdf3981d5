// Package e2e holds the end-to-end tests: whole nodes through the harness, and
// a few with the real binaries. It has no code of its own.
package e2e
