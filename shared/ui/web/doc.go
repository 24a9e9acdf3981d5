// Package web is the web shell: pages that show a node and stay up to date by
// themselves, with a button for each action, behind a login.
//
// # Usage
//
//	token, err := web.LoadToken("keys/console.token")
//	pages, err := web.New(web.Options{Node: "local", Token: token})
//	go http.Serve(listener, pages)      // answers that it starts
//	err = pages.Run(ctx, view, conn)    // shows the node until ctx ends
//
// What is shown is [ui.Page] and nothing else; what can be done is the registry
// of actions in package ui, whose routes are POST /do/<action>/<entity>. A
// request becomes a command on the bus and its outcome fact a message on the
// page. GET / is the page, GET /stream its event stream; ?logs=, ?stream= and ?q=
// say which log is followed beside it.
//
// # How a page stays up to date
//
// The page is rendered by the server and holds one event stream. The first
// message of a stream is everything, the others are the parts that changed, so a
// page that was disconnected needs nothing but a new stream. A part is rendered
// once per change, at most ten times a second and only while somebody looks; a
// log is followed once for all pages that show it with the same filter. A stream
// says something every ten seconds; core.js tells the reader when it does not.
//
// The client is Datastar 1.0.0-beta.11, the newest that a package registry has
// (assets/datastar.js, unchanged, a test compares its checksum). The server side
// speaks the protocol of 1.0. datastar.go and assets/core.js are all that knows
// the difference.
//
// # Trust
//
// Everything but /login and the static files needs a session, streams too. A
// session is a signed cookie (HttpOnly, SameSite=Strict, twelve hours); its key is
// derived from the token, so a new token ends all sessions. Requests for another
// host are refused (DNS rebinding), and so are state-changing ones from another
// origin. Pages load nothing from elsewhere. Their policy has to allow
// 'unsafe-eval', since Datastar compiles the expressions in attributes; those are
// constants here, and data stands in attributes beside them.
//
// # Concurrency
//
// [Server] serves any number of requests. [Server.Run] joins what it starts.
//
// # Testing
//
// The tests use a real bus and ask over HTTP as a browser does.
//
// # Sources
//
// https://data-star.dev/reference/sse_events (the events), the client's own
// source for the spelling of 1.0.0-beta.11.
package web
