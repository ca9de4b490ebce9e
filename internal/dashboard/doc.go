// Package dashboard is the page that somebody on call opens first.
//
// It is plain: rendered here, with one style sheet and no script, so that it works
// in any browser, through any proxy, and while everything else is on fire. It
// shows what is open, who is there, and what each rollout waits for, and it shows
// it in that order. It only reads, and it never shows a claim's token.
//
// A request is answered in three steps, each in files of its own: read what the
// page is about (load.go), say it in words (page.go, incidents.go, agents.go,
// rollouts.go, waves.go, with words.go for times), and put the words into the
// template (assets/page.html). All text of others goes through html/template,
// which escapes it.
package dashboard
