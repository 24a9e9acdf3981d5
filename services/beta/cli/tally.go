package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"core.internal/shared/service"

	"core.internal/services/beta/config"
	"core.internal/services/beta/process"
)

// tally prints what a running beta shows.
func tally(ctx context.Context, c config.Config, call service.Call) error {
	fail := func(err error) error { return fmt.Errorf("read beta's tally: %w", err) }
	// localhost names are not resolved everywhere: the edge is asked by address.
	url, host := "http://"+c.Edge, string(process.Source)+".localhost"
	if c.URL != "" {
		url, host = c.URL, ""
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/", nil)
	if err != nil {
		return fail(err)
	}
	r.Host = host
	r.Header.Set("Accept", "text/plain")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fail(fmt.Errorf("%w: is the node up? Another address is given with --beta.url or --edge.listen", err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fail(fmt.Errorf("%s answered %s", url, answer.Status))
	}
	_, err = io.Copy(call.Stdout, io.LimitReader(answer.Body, 1<<20))
	return err
}
