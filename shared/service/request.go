package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// slowBody is how long a client may take to send a request's body.
const slowBody = 10 * time.Second

// RequestError says what is wrong with a request, as the client is told it.
type RequestError struct {
	Status  int
	Message string
}

func (e *RequestError) Error() string { return e.Message }

// ReadJSON decodes a request's body, one JSON value of at most limit bytes
// without unknown fields. All errors are of type [*RequestError].
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &RequestError{http.StatusUnsupportedMediaType, `the body has to be JSON: send "Content-Type: application/json"`}
	}
	rc := http.NewResponseController(w)
	// Without deadlines, as in a test's recorder, there simply is none. It is
	// taken back: the server reads on to notice that a client has gone.
	_ = rc.SetReadDeadline(time.Now().Add(slowBody))
	defer rc.SetReadDeadline(time.Time{})
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the JSON value")
		}
	}
	var large *http.MaxBytesError
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &large):
		return &RequestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", limit)}
	case errors.Is(err, io.EOF):
		return &RequestError{http.StatusBadRequest, "the body is empty: send a JSON object"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &RequestError{http.StatusBadRequest, "the body ends in the middle of its JSON"}
	case errors.As(err, &mismatch):
		return &RequestError{http.StatusBadRequest, fmt.Sprintf("field %q: want a %s, got a %s", mismatch.Field, mismatch.Type, mismatch.Value)}
	}
	return &RequestError{http.StatusBadRequest, "the body is not the JSON expected: " + err.Error()}
}
