#!/bin/sh
# landing_test.sh landing|astray COMMAND...: five round trips work, or a stray jump ends by SIGILL.
variant=$1
shift
"$@" 2>/dev/null
status=$?
if [ "$variant" = landing ]; then
  echo "$status round trips of 5"
  [ $status -eq 5 ]
elif [ $status -eq 5 ]; then
  echo "skipped: branch target identification: this processor or emulator does not enforce it"
  exit 77
else
  echo "a jump to a place without a mark ended with $status"
  [ $status -eq 132 ]
fi
