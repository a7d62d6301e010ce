/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Other users on the bus of a fixture, which takes root: what they call, they call from a child of the test. dbus-daemon
 * lets no one in who is not in /etc/passwd. */

#include "fixture.h"

/* For good, and whatever groups root has with it: for a child of the test. False if it cannot be. */
bool become_user(uid_t uid);
/* Does, and connects to the fixture's bus; NULL if it cannot. The address is all that a child needs of the fixture. */
sd_bus *connect_as(uid_t uid, const char *address);

/* Runs the loop until a child has ended, which has to be with 0. */
void wait_for_child(Fixture *fixture, pid_t pid);

/* What a method without arguments but its options tells somebody, as text. polkit answers meanwhile. */
char *ask_as(Fixture *fixture, uid_t uid, const char *path, const char *interface, const char *method);
/* All properties of a session as somebody gets them, as text: by "GetAll", or with all other objects by "GetManagedObjects". */
char *see_as(Fixture *fixture, uid_t uid, const char *session, const char *method);
