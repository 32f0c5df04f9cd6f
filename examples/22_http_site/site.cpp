#include "site.hpp"

#include <ramie/stack.hpp>

#include <filesystem>
#include <system_error>

namespace site {
namespace {

constexpr std::string_view style =
    "body{font:17px/1.5 sans-serif;max-width:42em;margin:3em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}td{padding:.2em 1em .2em 0;border-bottom:1px solid #ddd}"
    "code{background:#f3f3f3;padding:0 .2em}";

std::string framed(std::string_view title, std::string_view body) {
  std::string text = "<!doctype html><html lang=en><meta charset=utf-8><title>";
  text.append(title).append("</title><link rel=stylesheet href=/style.css><h1>").append(title).append("</h1>");
  text.append(body).append(
      "<p><a href=/>start</a> &middot; <a href=/how>how it works</a> &middot; "
      "<a href=/live>live figures</a></html>\n");
  return text;
}

// Which poller this process has: the kernel names its descriptor.
std::string_view poller() {
  std::error_code error;
  for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string to = std::filesystem::read_symlink(one.path(), error).string();
    if (to.find("[io_uring]") != std::string::npos) return "io_uring";
    if (to.find("[eventpoll]") != std::string::npos) return "epoll";
  }
  return "none";
}

std::string live(const counters& now) {
  const ramie::stack_counts stacks = ramie::count_stacks();
  std::string rows;
  const auto row = [&rows](std::string_view name, const std::string& value) {
    rows.append("<tr><td>").append(name).append("<td>").append(value);
  };
  row("connections, ever", std::to_string(now.connections));
  row("connections, now (a task each)", std::to_string(now.open));
  row("requests", std::to_string(now.requests));
  row("refused with 503", std::to_string(now.refused));
  row("cut off by a time limit", std::to_string(now.timed_out));
  row("stacks under a task", std::to_string(stacks.in_use));
  row("stacks open, guarded", std::to_string(stacks.opened));
  row("guard", ramie::name_of(stacks.guard));
  row("stacks handed out, ever", std::to_string(stacks.acquired));
  row("poller", std::string(poller()));
  return "<table>" + rows + "</table><p>Load it again: the figures are this moment's.";
}

constexpr std::string_view start =
    "<p>This site is served by one thread. Each connection has a task with a guarded stack of its own; its code reads "
    "a "
    "request, writes an answer and goes round, and nothing calls back. The parser is Boost.Beast's.";
constexpr std::string_view how =
    "<p>A task that reads where nothing has come yet parks, and others run. A request has ten seconds to arrive and a "
    "header 8 KiB; whoever takes longer is cut off, and only that task ends. Stop the server with Ctrl-C: requests "
    "that "
    "are being answered are finished first.<p>The source is <code>examples/22_http_site</code>.";

}  // namespace

page find(std::string_view target, const counters& now) {
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/") return {.body = framed("ramie serves this", start)};
  if (path == "/how") return {.body = framed("How it works", how)};
  if (path == "/live") return {.body = framed("Live figures", live(now))};
  if (path == "/style.css") return {.type = "text/css", .body = std::string(style)};
  return of_error(404, "There is no such page here.");
}

page of_error(unsigned status, std::string_view text) {
  return {.status = status, .body = framed(std::to_string(status), "<p>" + std::string(text))};
}

}  // namespace site
