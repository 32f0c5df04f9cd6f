// Rows of a query, one when asked for: sqlite3_exec(), which calls back for each row, as a range.
#include <ramie/generator.hpp>
#include <ramie/views.hpp>

#include <sqlite3.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using row = std::vector<std::string>;
using yield_type = ramie::pusher<row>;

int on_row(void* yield, int columns, char** values, char**) {
  row one;
  for (int i = 0; i < columns; ++i) one.emplace_back(values[i] != nullptr ? values[i] : "NULL");
  // Not 0 makes sqlite3_exec() clean up and return SQLITE_ABORT.
  return static_cast<yield_type*>(yield)->wants_more(std::move(one)) ? 0 : 1;
}

// Throws std::runtime_error with SQLite's words where the query is wrong: out of next() or ++.
ramie::generator<row> rows_of(sqlite3* database, std::string query) {
  return ramie::generator<row>([database, query = std::move(query)](yield_type& yield) {
    const int result = sqlite3_exec(database, query.c_str(), &on_row, &yield, nullptr);
    if (result != SQLITE_OK && result != SQLITE_ABORT) throw std::runtime_error(sqlite3_errmsg(database));
  });
}

int run(sqlite3* database) {
  for (const char* statement :
       {"create table people (name, age)",
        "insert into people values ('Ada', 36), ('Grace', 85), ('Edsger', 72), ('Barbara', 80)"}) {
    rows_of(database, statement).next();
  }
  for (const row& one : rows_of(database, "select name, age from people order by age")) {
    std::printf("%s is %s\n", one[0].c_str(), one[1].c_str());
  }
  // Two queries side by side, which callbacks cannot do.
  auto young = rows_of(database, "select name from people order by age");
  auto old = rows_of(database, "select name from people order by age desc");
  for (auto [a, b] : ramie::views::zip(young, old) | ramie::views::take(2)) {
    std::printf("%s and %s\n", a[0].c_str(), b[0].c_str());
  }
  try {
    rows_of(database, "select nonsense").next();
  } catch (const std::runtime_error& error) {
    std::printf("refused: %s\n", error.what());
  }
  return 0;
  // The two are dropped in the middle here: their statements must be finished, or closing says SQLITE_BUSY.
}

}  // namespace

int main() {
  sqlite3* database = nullptr;
  if (sqlite3_open(":memory:", &database) != SQLITE_OK) return 1;
  int status = run(database);
  const int closed = sqlite3_close(database);
  std::printf("closing the database: %s\n", sqlite3_errstr(closed));
  return closed == SQLITE_OK ? status : 1;
}
