package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"core.internal/shared/service"

	"core.internal/services/alpha/config"
	"core.internal/services/alpha/process"
)

// greet sends one greeting to a running alpha and prints its answer.
func greet(ctx context.Context, c config.Config, call service.Call) error {
	fail := func(err error) error { return fmt.Errorf("greet %s: %w", call.Args[0], err) }
	// localhost names are not resolved everywhere: the edge is asked by address.
	url, host := "http://"+c.Edge, string(process.Source)+".localhost"
	if c.URL != "" {
		url, host = c.URL, ""
	}
	body, err := json.Marshal(process.Request{Name: call.Args[0]})
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/greetings", bytes.NewReader(body))
	if err != nil {
		return fail(err)
	}
	r.Host = host
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fail(fmt.Errorf("%w: is the node up? Another address is given with --alpha.url or --edge.listen", err))
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return fail(err)
	}
	if answer.StatusCode != http.StatusCreated {
		var problem struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(data, &problem) != nil || problem.Error == "" {
			problem.Error = http.StatusText(answer.StatusCode)
		}
		return fail(fmt.Errorf("%s answered %d: %s", url, answer.StatusCode, problem.Error))
	}
	var a process.Answer
	if err := json.Unmarshal(data, &a); err != nil {
		return fail(fmt.Errorf("the answer of %s is not alpha's: %w", url, err))
	}
	_, err = fmt.Fprintf(call.Stdout, "%s (%d of %d)\n", a.Greeting, a.Count, a.Total)
	return err
}
