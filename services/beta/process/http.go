package process

import (
	"net/http"

	"core.internal/shared/service"
)

// List is what GET /tally says.
type List struct {
	Total int        `json:"total"`
	Names []Greeting `json:"names"`
}

// Handler answers beta's API. page answers GET / with what is shown to people;
// it may be nil.
func Handler(t *Tally, page http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tally", func(w http.ResponseWriter, r *http.Request) {
		c := t.Counts()
		service.WriteJSON(w, http.StatusOK, List{c.Total(), c.Sorted()})
	})
	mux.HandleFunc("/tally", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		service.WriteError(w, http.StatusMethodNotAllowed, "only GET is possible here: greetings are added at alpha")
	})
	if page != nil {
		mux.Handle("GET /{$}", page)
		mux.Handle("GET /assets/", page)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		service.WriteError(w, http.StatusNotFound, "nothing here: see /tally, /health, /metrics")
	})
	return mux
}
