package process

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"core.internal/shared/service"
)

// maxBody is the longest request body in bytes.
const maxBody = 4 << 10

// What is sent and answered. The command line speaks it too.
type (
	// Request is the body of POST /greetings.
	Request struct {
		Name string `json:"name"`
	}
	// Answer is what POST /greetings says.
	Answer struct {
		Greeting string `json:"greeting"`
		Name     string `json:"name"`
		Count    int    `json:"count"`
		Total    int    `json:"total"`
	}
	// List is what GET /greetings says.
	List struct {
		Total int        `json:"total"`
		Names []Greeting `json:"names"`
	}
)

// Handler answers alpha's API. page answers GET / with what is shown to people,
// greeted is told each greeting; either may be nil.
func Handler(c *Counter, page http.Handler, greeted func(Greeted)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /greetings", func(w http.ResponseWriter, r *http.Request) {
		count := c.Count()
		service.WriteJSON(w, http.StatusOK, List{count.Total, count.Sorted()})
	})
	mux.HandleFunc("POST /greetings", func(w http.ResponseWriter, r *http.Request) {
		var body Request
		if err := service.ReadJSON(w, r, maxBody, &body); err != nil {
			refuse(w, err)
			return
		}
		name, err := checkName(body.Name)
		if err != nil {
			refuse(w, &service.RequestError{Status: http.StatusBadRequest, Message: err.Error()})
			return
		}
		g, err := c.Greet(r.Context(), name)
		if err != nil {
			refuse(w, err)
			return
		}
		if greeted != nil {
			greeted(g)
		}
		service.WriteJSON(w, http.StatusCreated, Answer{"Hello, " + g.Name + "!", g.Name, g.Count, g.Total})
	})
	mux.HandleFunc("/greetings", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "GET, HEAD, POST")
		service.WriteError(w, http.StatusMethodNotAllowed, "GET lists the greetings, POST adds one")
	})
	if page != nil {
		mux.Handle("GET /{$}", page)
		mux.Handle("GET /assets/", page)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		service.WriteError(w, http.StatusNotFound, "nothing here: see /greetings, /health, /metrics")
	})
	return mux
}

// refuse answers with what went wrong.
func refuse(w http.ResponseWriter, err error) {
	var request *service.RequestError
	switch {
	case errors.As(err, &request):
		service.WriteError(w, request.Status, request.Message)
	case errors.Is(err, ErrFull):
		service.WriteError(w, http.StatusConflict, err.Error())
	case errors.Is(err, ErrBusy):
		w.Header().Set("Retry-After", "1")
		service.WriteError(w, http.StatusTooManyRequests, err.Error())
	default:
		w.Header().Set("Retry-After", strconv.Itoa(int(patience/time.Second)))
		service.WriteError(w, http.StatusServiceUnavailable, ErrUnavailable.Error())
	}
}
