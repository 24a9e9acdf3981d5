package cli

import (
	"context"
	"fmt"
	"runtime"
)

func versionCommand() *command {
	return &command{
		name: "version", about: "print the version", flags: outputs("text", "json"),
		exec: func(_ context.Context, c *call) error {
			if err := c.arguments(0, 0); err != nil {
				return err
			}
			if c.text(outputFlag) == "json" {
				return printJSON(c.out, map[string]string{
					"name": c.app.Name, "version": c.app.Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				})
			}
			return c.out.Print(fmt.Sprintf("%s %s (%s, %s/%s)", c.app.Name, c.app.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH))
		},
	}
}
